/**
 * `govault invite`: lets another node in.
 *
 * @module
 */

import { defineCommand } from "../command.ts";
import { needNode } from "../network.ts";
import { show } from "../output.ts";

export const invite = defineCommand({
  name: "invite",
  summary: "print a token that lets a node in",
  usage: ["invite [--owner]"],
  about: [
    "Prints a token, alone on a line, for `serve --join` or `join` on another machine. Whoever has " +
    "it gets into the network within seven days: hand it over as you would a password.",
    "The node that joins stores and serves chunks, and can read none of them. With --owner the " +
    "token holds the vault's key too: that node can read, change and delete everything.",
  ],
  flags: { owner: { kind: "switch", help: "let it read and write the vault as well" } },
  operands: [],
  examples: [
    ["invite", "for a machine that only stores"],
    ["invite --owner", "for another machine of yours"],
  ],
  async run(context) {
    const { peers, vault } = needNode(context, "invite");
    const { masterKey } = vault.peerSide();
    const token = await peers.invite(context.flags.owner ? { masterKey } : {});
    await show(context, { json: { token, owner: context.flags.owner }, text: `${token}\n` });
  },
});
