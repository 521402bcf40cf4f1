/**
 * `govault diff`: where two versions differ.
 *
 * @module
 */

import { parseKey, shortHex } from "../../base/mod.ts";
import type { ByteRange, DiffResult, VersionInfo } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { formatBytes, formatTime, plural } from "../format.ts";
import { diffDocument } from "../json.ts";
import { show } from "../output.ts";
import { withVault } from "../session.ts";
import { readVersion } from "../values.ts";

export const diff = defineCommand({
  name: "diff",
  summary: "show where two versions differ",
  usage: ["diff KEY A B"],
  about: [
    "Shows the byte ranges that only version A has and those that only version B has, and how " +
    "many chunks the two share. A range begins with its first byte, counted from 0, and ends " +
    "before its second number.",
  ],
  flags: {},
  operands: [{ name: "KEY" }, { name: "A" }, { name: "B" }],
  examples: [["diff disk.img 1 2", "what changed between the first two versions"]],
  async run(context) {
    const key = parseKey(context.operands[0]!);
    const a = readVersion(context.operands[1]!, "A");
    const b = readVersion(context.operands[2]!, "B");
    const result = await withVault(context, (vault) => vault.diff(key, a, b));
    await show(context, { json: diffDocument(result), text: diffText(result) });
  },
});

function diffText(result: DiffResult): string {
  const { a, b, onlyInA, onlyInB, sharedChunks, chunksA, chunksB, metaChanged } = result;
  const isSame = onlyInA.length + onlyInB.length === 0;
  return [
    side("A", a, chunksA),
    side("B", b, chunksB),
    "",
    ...(isSame ? ["The contents are the same."] : []),
    ...onlyInA.map((range) => rangeLine("A", range)),
    ...onlyInB.map((range) => rangeLine("B", range)),
    `${plural(sharedChunks, "chunk")} shared.`,
    ...(metaChanged ? ["Mode, time, type or link target differ."] : []),
    "",
  ].join("\n");
}

function side(name: string, info: VersionInfo, chunks: number): string {
  return [
    name,
    `version ${info.version}`,
    shortHex(info.id),
    formatTime(info.time),
    formatBytes(info.size),
    plural(chunks, "chunk"),
  ].join("  ");
}

function rangeLine(name: string, range: ByteRange): string {
  return `only in ${name}  ${range.start}..${range.end}  ${formatBytes(range.end - range.start)}`;
}
