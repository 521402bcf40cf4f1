/**
 * `govault delete`: a tombstone, or, with `--purge`, oblivion.
 *
 * @module
 */

import { parseKey } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { formatBytes, formatKey } from "../format.ts";
import { versionDocument } from "../json.ts";
import { confirm } from "../output.ts";
import { withMeter } from "../progress.ts";
import { withVault } from "../session.ts";

export const remove = defineCommand({
  name: "delete",
  summary: "delete a key; its versions stay until pruned",
  usage: ["delete KEY [--purge]"],
  about: [
    "Puts a tombstone on KEY: it is no longer listed, but its versions can still be fetched and " +
    "restored. With --purge all its versions are forgotten and their space is freed; that " +
    "can't be undone.",
  ],
  flags: { purge: { kind: "switch", help: "forget all versions and free their space" } },
  operands: [{ name: "KEY" }],
  examples: [
    ["delete report.pdf", "delete it; `restore` brings it back"],
    ["delete secret.txt --purge", "forget it for good"],
  ],
  async run(context) {
    const { flags, signal, io } = context;
    const key = parseKey(context.operands[0]!);
    const { version, freedBytes } = await withVault(
      context,
      (vault) =>
        withMeter(
          io,
          flags,
          ({ onProgress }) => vault.delete(key, { purge: flags.purge, signal, onProgress }),
        ),
    );
    const name = formatKey(key);
    await confirm(context, {
      json: { key, ...versionDocument(version), purged: flags.purge, freedBytes },
      text: flags.purge
        ? `purged ${name}  ${formatBytes(freedBytes)} freed\n`
        : `deleted ${name}  version ${version.version}\n`,
    });
  },
});
