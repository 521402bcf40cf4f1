/**
 * `govault join`: becomes a member of another node's network.
 *
 * @module
 */

import { toHex } from "../../base/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { confirm } from "../output.ts";
import { answerPassphrase } from "../passphrase.ts";
import { askForNode, chosenHome, tellCreated } from "../session.ts";

export const join = defineCommand({
  name: "join",
  summary: "join the network of a token",
  usage: ["join TOKEN"],
  about: [
    "Takes a token that `invite` printed on a node of the network. In an empty home a token of " +
    "`invite --owner` makes the vault with its key, any other makes a vault of its own.",
    "`serve` then takes part in the network; `serve --join TOKEN` does both.",
  ],
  flags: {},
  operands: [{ name: "TOKEN" }],
  examples: [["join govault1-…", "join, then run `serve`"]],
  async run(context) {
    const token = context.operands[0]!;
    const network = toHex(await joinNetwork(context, token));
    await confirm(context, { json: { network }, text: `joined network ${network}\n` });
  },
});

/** Joins through the running node, or for a moment as one. Returns the network's id. */
async function joinNetwork(context: Context, token: string): Promise<Uint8Array> {
  const { node, io, flags, signal } = context;
  const { joinOnce, joinRunning } = await import("../../daemon/mod.ts");
  if (node !== undefined) return await joinRunning(node, token);
  const lockWaitMs = flags["lock-wait"];
  const { defaultHome } = await import("../../vault/mod.ts");
  const home = io.path(chosenHome(context) ?? defaultHome());
  return await joinOnce(token, {
    home,
    passphrase: (ask) => answerPassphrase(context, ask),
    onCreated: (created) => tellCreated(context, created),
    ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
    signal,
    onWaiting: () => askForNode(home),
  });
}
