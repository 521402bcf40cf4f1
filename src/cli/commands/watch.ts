/**
 * `govault watch`: what happens in the network.
 *
 * @module
 */

import { EXIT_CODES } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { jsonLine } from "../json.ts";
import { eventDocument, eventLine, needNode } from "../network.ts";

export const watch = defineCommand({
  name: "watch",
  summary: "show messages and events as they come",
  usage: ["watch"],
  about: [
    "Shows what happens from now on, a line each: messages, puts and deletes of all nodes, peers " +
    "that come and go, repairs, refusals. With --json each line is a document. Ends with Ctrl-C, " +
    "or when the node stops.",
  ],
  flags: {},
  operands: [],
  examples: [["watch", "look on"], ["watch --json", "let a script look on"]],
  async run(context) {
    const { io, flags, signal } = context;
    const { peers, stopping } = needNode(context, "watch");
    const either = AbortSignal.any([signal, stopping]);
    try {
      for await (const event of peers.events(either)) {
        await io.out(flags.json ? jsonLine(eventDocument(event)) : eventLine(event));
        await io.flush();
      }
    } catch (error) {
      if (!either.aborted) throw error;
    }
    return signal.aborted ? EXIT_CODES.interrupted : 0; // Ctrl-C is how it ends: no error to tell
  },
});
