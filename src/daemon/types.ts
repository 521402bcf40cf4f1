/**
 * What the resident node shows to the commands that run in it. No effects here.
 *
 * @module
 */

import type { Vault } from "../vault/mod.ts";
import type { Hello } from "./control_protocol.ts";
import type { PeerSurface } from "./peer_surface.ts";

export type { Hello } from "./control_protocol.ts";
export type * from "./peer_surface.ts";

/** A running node, for the commands that it runs. */
export interface ResidentNode {
  /** The home, an absolute path. */
  readonly home: string;
  /** Open as long as the node runs; commands don't close it. */
  readonly vault: Vault;
  readonly peers: PeerSurface;
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** Fires when the node begins to stop: what would go on for ever ends then. */
  readonly stopping: AbortSignal;
}

/** A command line that came over the control socket, and the streams of whoever typed it. */
export interface ControlCall {
  readonly hello: Hello;
  /** Fires when the one who typed it cancels or goes away, and when the node can't wait any longer. */
  readonly signal: AbortSignal;
  /** Whether nobody reads standard output any more. */
  readonly isOutputClosed: boolean;
  /** Returns when the bytes are on their way: whoever reads slowly slows down whoever writes. */
  output(bytes: Uint8Array): Promise<void>;
  error(bytes: Uint8Array): void;
  /** The next piece of standard input, `null` at its end. Not to be called before the last call has returned. */
  input(): Promise<Uint8Array | null>;
  /** What is typed at a terminal without echo; `null` if the input ended instead. */
  ask(message: string): Promise<string | null>;
}

/** Runs a command line inside the node; the exit code. Never throws. */
export type RunCall = (call: ControlCall, node: ResidentNode) => Promise<number>;
