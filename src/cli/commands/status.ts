/**
 * `govault status`: what there is.
 *
 * @module
 */

import { toHex } from "../../base/mod.ts";
import type { StatusInfo } from "../../vault/types.ts";
import type { NetworkView } from "../../daemon/types.ts";
import { defineCommand } from "../command.ts";
import { formatBytes, formatKey } from "../format.ts";
import { dedupRatio, statusDocument } from "../json.ts";
import { networkView, replicationText } from "../network.ts";
import { show } from "../output.ts";
import { withVault } from "../session.ts";

export const status = defineCommand({
  name: "status",
  summary: "show what the vault holds",
  usage: ["status"],
  about: [
    "Shows who this node and its vault are, how many keys, versions and chunks there are, and " +
    "how the bytes of all versions compare with the bytes on disk; with a network also where " +
    "this node listens, its peers, and how many chunks have too few copies and for how long.",
  ],
  flags: {},
  operands: [],
  examples: [["status", "for people"], ["status --json", "for scripts"]],
  async run(context) {
    const [info, network] = await withVault(
      context,
      async (vault) => [await vault.status(), await networkView(context, vault)] as const,
    );
    await show(context, { json: statusDocument(info, network), text: statusText(info, network) });
  },
});

function statusText(info: StatusInfo, network: NetworkView | null): string {
  const ratio = dedupRatio(info);
  const rows: [string, string][] = [
    ["home", formatKey(info.home)],
    ["vault", toHex(info.vault)],
    ["node", toHex(info.node)],
    ["network", toHex(network?.network ?? info.network)],
    ["passphrase", info.protected ? "yes" : "no"],
    ["padding", info.padding ? "yes" : "no"],
    ["keys", String(info.keys)],
    ["versions", `${info.versions}, ${formatBytes(info.logicalBytes)} of files`],
    ["chunks", `${info.chunks}, ${formatBytes(info.storedBytes)} on disk`],
  ];
  if (ratio !== null) rows.push(["dedup", `${ratio.toFixed(2)} bytes of files per byte on disk`]);
  if (network !== null && (network.address !== null || network.peers.length > 0)) {
    const members = network.peers.filter(({ state }) => state !== "evicted");
    const up = members.filter(({ state }) => state === "up").length;
    rows.push(
      ["address", network.address ?? "no node is running"],
      ["peers", network.address === null ? String(members.length) : `${members.length}, ${up} up`],
    );
    if (network.address !== null) rows.push(["too few", replicationText(network)]);
  }
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join("");
}
