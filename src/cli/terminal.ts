/**
 * What the process itself knows of its terminal and of standard error. Imports nothing: a client of the running node has
 * to start in no time.
 *
 * @module
 */

/** Width of the terminal in cells; `undefined` if no stream is one. */
export function terminalColumns(): number | undefined {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    return undefined; // no terminal on any stream
  }
}

/** Writes to standard error; a closed one is ignored, as there is nobody left to tell. */
export function writeErr(said: string | Uint8Array): void {
  const bytes = typeof said === "string" ? new TextEncoder().encode(said) : said;
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // standard error is closed
  }
}
