/**
 * `govault restore`: makes an old version the newest.
 *
 * @module
 */

import { parseKey, VaultError } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { formatBytes, formatKey } from "../format.ts";
import { versionDocument } from "../json.ts";
import { confirm } from "../output.ts";
import { withVault } from "../session.ts";
import { readVersion } from "../values.ts";

export const restore = defineCommand({
  name: "restore",
  summary: "make an old version the newest",
  usage: ["restore KEY --version N|ID"],
  about: [
    "Makes a new version of KEY with the content of an old one. Works on deleted keys too. " +
    "Nothing on the disk changes; `get` fetches the file.",
  ],
  flags: {
    version: {
      kind: "value",
      value: "N|ID",
      read: readVersion,
      help: "its number, or the first digits of its id",
    },
  },
  operands: [{ name: "KEY" }],
  examples: [["restore report.pdf --version 2", "go back to version 2"]],
  async run(context) {
    const select = context.flags.version;
    if (select === undefined) {
      throw new VaultError("usage", "Cannot run restore: --version is missing", {
        hint: "govault history KEY lists the versions",
      });
    }
    const key = parseKey(context.operands[0]!);
    const info = await withVault(context, (vault) => vault.restore(key, select));
    await confirm(context, {
      json: { key, ...versionDocument(info) },
      text: `restored ${formatKey(key)}  version ${info.version}  ${formatBytes(info.size)}\n`,
    });
  },
});
