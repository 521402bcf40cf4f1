/**
 * The program's beginning: a command line goes to the node that runs from its home, if one does, and runs here
 * otherwise. What a command needs is loaded only here, so that the way to the node is short.
 *
 * @module
 */

import { runThroughNode } from "./control_client.ts";

/** Runs one command line to its end; the exit code. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  for (;;) {
    const code = await runThroughNode(args);
    if (code !== null) return code;
    const { runHere } = await import("./run.ts");
    const codeHere = await runHere(args);
    if (codeHere !== null) return codeHere;
  }
}
