/**
 * `govault history`: the versions of a key.
 *
 * @module
 */

import { parseKey, shortHex } from "../../base/mod.ts";
import type { VersionInfo } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { type Cell, type Column, formatBytes, formatTime, renderTable } from "../format.ts";
import { versionDocument } from "../json.ts";
import { show } from "../output.ts";
import { withVault } from "../session.ts";

export const history = defineCommand({
  name: "history",
  summary: "show all versions of a key",
  usage: ["history KEY"],
  about: [
    "Lists every version, oldest first: its number, id, what made it, when, its size, the bytes " +
    "it added to the vault, and the node that made it. * marks the latest, ! a conflict: two " +
    "nodes wrote without knowing of each other; the next put settles it. ? marks a version whose " +
    "record is damaged.",
  ],
  flags: {},
  operands: [{ name: "KEY" }],
  examples: [
    ["history report.pdf", "when did it change?"],
    ["history report.pdf --json", "the same for a script"],
  ],
  async run(context) {
    const key = parseKey(context.operands[0]!);
    const versions = await withVault(context, (vault) => vault.history(key));
    const { columns, color } = context.io;
    await show(context, {
      json: { key, versions: versions.map(versionDocument) },
      text: renderTable(COLUMNS, versions.map(row), { columns, color }),
    });
  },
});

const COLUMNS: readonly Column[] = [
  { title: "VERSION", align: "right" },
  { title: "" },
  { title: "ID" },
  { title: "OP" },
  { title: "TIME" },
  { title: "SIZE", align: "right" },
  { title: "ADDED", align: "right", narrow: "drop" },
  { title: "NODE", narrow: "drop" },
];

function row(info: VersionInfo): Cell[] {
  const style = info.conflict || info.damaged ? "red" : info.latest ? "bold" : undefined;
  const marks = [info.latest && "*", info.conflict && "!", info.damaged && "?"];
  const gone = info.op === "delete";
  return [
    { text: String(info.version), style },
    { text: marks.filter((mark) => mark !== false).join(""), style },
    { text: shortHex(info.id), style },
    { text: info.op },
    { text: formatTime(info.time) },
    { text: gone ? "-" : formatBytes(info.size) },
    { text: info.damaged ? "?" : formatBytes(info.addedBytes) },
    { text: shortHex(info.node) },
  ];
}
