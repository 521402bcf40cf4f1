/**
 * `govault status`: what there is.
 *
 * @module
 */

import { toHex } from "../../base/mod.ts";
import type { StatusInfo } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { formatBytes, formatKey } from "../format.ts";
import { dedupRatio, statusDocument } from "../json.ts";
import { show } from "../output.ts";
import { withVault } from "../session.ts";

export const status = defineCommand({
  name: "status",
  summary: "show what the vault holds",
  usage: ["status"],
  about: [
    "Shows who this node and its vault are, how many keys, versions and chunks there are, and " +
    "how the bytes of all versions compare with the bytes on disk.",
  ],
  flags: {},
  operands: [],
  examples: [["status", "for people"], ["status --json", "for scripts"]],
  async run(context) {
    const info = await withVault(context, (vault) => vault.status());
    await show(context, { json: statusDocument(info), text: statusText(info) });
  },
});

function statusText(info: StatusInfo): string {
  const ratio = dedupRatio(info);
  const rows: [string, string][] = [
    ["home", formatKey(info.home)],
    ["vault", toHex(info.vault)],
    ["node", toHex(info.node)],
    ["network", toHex(info.network)],
    ["passphrase", info.protected ? "yes" : "no"],
    ["keys", String(info.keys)],
    ["versions", `${info.versions}, ${formatBytes(info.logicalBytes)} of files`],
    ["chunks", `${info.chunks}, ${formatBytes(info.storedBytes)} on disk`],
  ];
  if (ratio !== null) rows.push(["dedup", `${ratio.toFixed(2)} bytes of files per byte on disk`]);
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join("");
}
