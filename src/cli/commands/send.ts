/**
 * `govault send`: a message to other nodes.
 *
 * @module
 */

import { toHex, VaultError } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { plural } from "../format.ts";
import { findPeer, needNode } from "../network.ts";
import { confirm } from "../output.ts";

export const send = defineCommand({
  name: "send",
  summary: "send a message to other nodes",
  usage: ["send NODE TEXT", "send --all TEXT"],
  about: [
    "Sends a line of text to a node, or to all that are up; `watch` shows it there. It is signed, " +
    "comes at most once and in the order it was sent. A node that is not up does not get it: then " +
    "the exit code is 5.",
  ],
  flags: { all: { kind: "switch", alias: "a", help: "to every node that is up" } },
  operands: [{ name: "NODE", optional: true }, { name: "TEXT", optional: true }],
  examples: [
    ["send nas hello", "to the node called nas"],
    ["send --all backup-done", "to everyone"],
  ],
  async run(context) {
    const { flags, operands } = context;
    const [first, second] = operands;
    const isComplete = flags.all ? operands.length === 1 : operands.length === 2;
    if (!isComplete) {
      throw new VaultError("usage", "Cannot send: give a NODE and a TEXT, or --all and a TEXT", {
        hint: "a TEXT of several words goes in quotes",
      });
    }
    const resident = needNode(context, "send a message");
    const to = flags.all ? "all" : findPeer(resident, first!).node;
    const { delivered } = await resident.peers.send(to, flags.all ? first! : second!);
    if (delivered === 0) {
      throw new VaultError("too_few_peers", "Cannot deliver the message: nobody is up to take it");
    }
    await confirm(context, {
      json: { to: to === "all" ? to : toHex(to), delivered },
      text: `delivered to ${plural(delivered, "node")}\n`,
    });
  },
});
