/**
 * `govault ls`: lists keys.
 *
 * @module
 */

import { isVaultError, parsePrefix, systemClock, type VaultError } from "../../base/mod.ts";
import type { KeyInfo } from "../../vault/types.ts";
import { type Context, defineCommand } from "../command.ts";
import {
  type Cell,
  type Column,
  formatBytes,
  formatKey,
  formatTime,
  renderTable,
} from "../format.ts";
import { keyDocument } from "../json.ts";
import { withVault } from "../session.ts";
import { readIdPrefix, readTime } from "../values.ts";

export const ls = defineCommand({
  name: "ls",
  summary: "list keys",
  usage: ["ls [PREFIX] [--at TIME] [--node ID] [--deleted] [--all]"],
  about: [
    "Lists files and links, by key: the size, the time and the number of the latest version. " +
    "PREFIX names a key and all that is under it. ! marks a conflict.",
  ],
  flags: {
    at: {
      kind: "value",
      value: "TIME",
      read: (text, what) => readTime(text, { what, now: systemClock.now() }),
      help: "as it was then: 2026-01-31, 2026-01-31T18:30, 2h, 3d",
    },
    node: {
      kind: "value",
      value: "ID",
      read: readIdPrefix,
      help: "keys that this node stored, as it did so last",
    },
    deleted: { kind: "switch", alias: "d", help: "deleted keys too" },
    all: { kind: "switch", alias: "a", help: "folders too, with a slash" },
  },
  operands: [{ name: "PREFIX", optional: true }],
  examples: [
    ["ls", "list everything"],
    ["ls photos/2026 --at 2026-01-31", "what was under photos/2026 on that day"],
    ["ls --json", "the same for a script"],
  ],
  async run(context) {
    const { flags } = context;
    const { at, node } = flags;
    const options = {
      prefix: parsePrefix(context.operands[0] ?? ""),
      deleted: flags.deleted,
      ...(at === undefined ? {} : { at }),
      ...(node === undefined ? {} : { node }),
    };
    await withVault(context, async (vault) => {
      const damage: VaultError[] = [];
      const keys = listed(vault.list(options), { folders: flags.all, damage });
      await (flags.json ? writeJson(context, keys) : writeTable(context, keys));
      for (const error of damage) throw error;
    });
  },
});

/** What is to be shown; that there are keys whose names can't be read is said after it. */
async function* listed(
  keys: AsyncIterable<KeyInfo>,
  { folders, damage }: { folders: boolean; damage: VaultError[] },
): AsyncIterable<KeyInfo> {
  try {
    for await (const info of keys) if (folders || info.meta.type !== "folder") yield info;
  } catch (error) {
    if (!isVaultError(error, "damaged")) throw error;
    damage.push(error);
  }
}

/** Rows that are laid out and written at a time: a listing never has to fit into memory. */
const BATCH_ROWS = 1000;

/** One JSON document, written as it grows. */
async function writeJson({ io }: Context, keys: AsyncIterable<KeyInfo>): Promise<void> {
  let text = '{"keys":[';
  let rows = 0;
  for await (const info of keys) {
    text += `${rows === 0 ? "" : ","}\n${JSON.stringify(keyDocument(info))}`;
    if (++rows % BATCH_ROWS === 0) {
      await io.out(text);
      text = "";
    }
  }
  await io.out(`${text}${rows === 0 ? "" : "\n"}]}\n`);
}

/** Wide enough for what they hold, so that all batches line up. */
const COLUMNS: readonly Column[] = [
  { title: "SIZE", align: "right", width: "1023 KiB".length },
  { title: "TIME", width: "2026-01-31 18:30".length },
  { title: "VERSION", align: "right" },
  { title: "KEY", narrow: "cut" },
];

async function writeTable({ io }: Context, keys: AsyncIterable<KeyInfo>): Promise<void> {
  const { columns, color } = io;
  let rows: Cell[][] = [];
  let headless = false;
  const flush = async () => {
    if (rows.length > 0) await io.out(renderTable(COLUMNS, rows, { columns, color, headless }));
    rows = [];
    headless = true;
  };
  for await (const info of keys) {
    rows.push(row(info));
    if (rows.length === BATCH_ROWS) await flush();
  }
  await flush();
}

function row(info: KeyInfo): Cell[] {
  const style = info.deleted ? "dim" : info.conflict ? "red" : undefined;
  const { type, target } = info.meta;
  const size = info.deleted ? "deleted" : type === "file" ? formatBytes(info.size) : type;
  const points = type === "link" && !info.deleted ? ` -> ${formatKey(target)}` : "";
  return [
    { text: size, style },
    { text: formatTime(info.time, { seconds: false }), style },
    { text: `${info.version}${info.conflict ? "!" : " "}`, style },
    { text: `${formatKey(info.key)}${type === "folder" ? "/" : ""}${points}`, style },
  ];
}
