/**
 * `govault evict`: shuts a node out.
 *
 * @module
 */

import { shortHex, toHex } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { formatKey } from "../format.ts";
import { findPeer, needNode } from "../network.ts";
import { confirm } from "../output.ts";

export const evict = defineCommand({
  name: "evict",
  summary: "shut a node out of the network for good",
  usage: ["evict NODE"],
  about: [
    "NODE is no member any more: the others refuse it, get a new network secret, and make the " +
    "copies again that it held. What it has stored stays readable. It can't be taken back; the " +
    "machine can join as a new node, from an empty home.",
    "Only an owner can evict. A node that is only switched off need not be evicted. An evicted " +
    "owner still has the vault's key: whoever finds it there can read what they have of the vault.",
  ],
  flags: {},
  operands: [{ name: "NODE" }],
  examples: [["evict old-laptop", "by its name"], [
    "evict 1c4a9a70",
    "by the first digits of its id",
  ]],
  async run(context) {
    const resident = needNode(context, "evict a node");
    const { node, name, role } = findPeer(resident, context.operands[0]!);
    await resident.peers.evict(node);
    await confirm(context, {
      json: { node: toHex(node), name, evicted: true },
      text: `evicted ${formatKey(name)} (${shortHex(node)})\n${role === "owner" ? KEY_STAYS : ""}`,
    });
  },
});

const KEY_STAYS = "It still has the vault's key. If others can get at it, docs/security.md says " +
  "what to do.\n";
