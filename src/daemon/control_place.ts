/**
 * Where the control socket of a home lies: in a folder of the home that is its owner's alone, or, where a path there is
 * longer than a socket's may be, in such a folder among the system's temporary files, named by a file in the home.
 * Imports nothing: a client has to start in no time.
 *
 * @module
 */

/** Longest path of a socket, in bytes: 103 on macOS, 107 on Linux. */
const SOCKET_PATH_BYTES_MAX = 100;

/** The paths that have to do with a home's socket. */
export interface ControlPlace {
  /** The folder in the home. */
  readonly folder: string;
  /** The socket itself, if its path is short enough for one. */
  readonly socket: string | null;
  /** The file that holds the path of a socket elsewhere. */
  readonly pointer: string;
}

/** @param home an absolute path, without links, so that all who look for a socket agree on how long its path is */
export function controlPlace(home: string): ControlPlace {
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  const folder = `${home.replace(/[/\\]$/, "")}${separator}control`;
  const socket = `${folder}${separator}socket`;
  const fits = new TextEncoder().encode(socket).length <= SOCKET_PATH_BYTES_MAX;
  return { folder, socket: fits ? socket : null, pointer: `${folder}${separator}path` };
}

/** The path of the socket that a node of this home would listen on; `null` if there has been none. */
export function findSocket(home: string): string | null {
  try {
    const { socket, pointer } = controlPlace(Deno.realPathSync(home));
    if (socket !== null) return socket;
    return Deno.readTextFileSync(pointer).trim() || null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
}
