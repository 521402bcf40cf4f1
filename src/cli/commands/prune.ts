/**
 * `govault prune`: lets go of old versions and frees their space.
 *
 * @module
 */

import type { PruneResult, Retention } from "../../vault/types.ts";
import { defineCommand, type FlagValues } from "../command.ts";
import { formatBytes, formatKey, formatTime, plural, renderTable } from "../format.ts";
import { pruneDocument } from "../json.ts";
import { show } from "../output.ts";
import { withMeter } from "../progress.ts";
import { withVault } from "../session.ts";
import { readCount, readSpan } from "../values.ts";

const RULES = {
  "keep-last": { kind: "value", value: "N", read: readCount, help: "the N latest of each key" },
  "keep-hourly": {
    kind: "value",
    value: "N",
    read: readCount,
    help: "the latest of each of the last N hours that have one",
  },
  "keep-daily": { kind: "value", value: "N", read: readCount, help: "the same for days" },
  "keep-weekly": { kind: "value", value: "N", read: readCount, help: "the same for weeks" },
  "keep-monthly": { kind: "value", value: "N", read: readCount, help: "the same for months" },
  "keep-yearly": { kind: "value", value: "N", read: readCount, help: "the same for years" },
  "keep-within": {
    kind: "value",
    value: "SPAN",
    read: readSpan,
    help: "all that are younger: 90s, 45m, 12h, 30d, 6w, 1y",
  },
} as const;

export const prune = defineCommand({
  name: "prune",
  summary: "drop old versions and free their space",
  usage: ["prune [--keep-…]… [--dry-run]"],
  about: [
    "Drops the versions that no rule keeps, then frees the space that nothing needs any more. " +
    "The rules add up. The latest version of a key and everything a tag keeps always stay. " +
    "Without a rule no version is dropped; only what was left over is cleared away.",
  ],
  flags: {
    ...RULES,
    "dry-run": { kind: "switch", alias: "n", help: "only say what would be dropped" },
  },
  operands: [],
  examples: [
    ["prune --keep-last 10 --dry-run", "see what would go"],
    ["prune --keep-within 30d --keep-monthly 12", "a month of everything, a year of months"],
  ],
  async run(context) {
    const { flags, signal, io } = context;
    const dryRun = flags["dry-run"];
    const result = await withVault(
      context,
      (vault) =>
        withMeter(
          io,
          flags,
          ({ onProgress }) => vault.prune(retentionOf(flags), { dryRun, signal, onProgress }),
        ),
    );
    const { columns, color } = io;
    await show(context, {
      json: pruneDocument(result),
      text: pruneText(result, { columns, color, quiet: flags.quiet }),
    });
  },
});

/** The rules that were given. */
function retentionOf(flags: FlagValues<typeof RULES>): Retention {
  const rules = {
    keepLast: flags["keep-last"],
    keepHourly: flags["keep-hourly"],
    keepDaily: flags["keep-daily"],
    keepWeekly: flags["keep-weekly"],
    keepMonthly: flags["keep-monthly"],
    keepYearly: flags["keep-yearly"],
    keepWithinMs: flags["keep-within"],
  };
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
}

function pruneText(
  result: PruneResult,
  options: { columns: number | undefined; color: boolean; quiet: boolean },
): string {
  if (options.quiet) return "";
  const { dryRun, dropped } = result;
  const rows = dropped.map((each) => [
    { text: String(each.version) },
    { text: formatTime(each.time) },
    { text: formatBytes(each.size) },
    { text: formatKey(each.key) },
  ]);
  const table = renderTable(
    [
      { title: "VERSION", align: "right" },
      { title: "TIME" },
      { title: "SIZE", align: "right" },
      { title: "KEY", narrow: "cut" },
    ],
    rows,
    options,
  );
  const would = dryRun ? "would be " : "";
  const versions = plural(result.versions, "version");
  return [
    rows.length === 0 ? "" : `${table}\n`,
    `${result.droppedVersions} of ${versions} ${would}dropped, `,
    `${formatBytes(result.freedBytes)} ${would}freed`,
    result.leftBytes === 0
      ? "\n"
      : `; ${formatBytes(result.leftBytes)} of garbage ${
        dryRun ? "would stay" : "stay"
      } until there is more in their packs\n`,
  ].join("");
}
