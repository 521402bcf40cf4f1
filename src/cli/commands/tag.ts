/**
 * `govault tag`: keeps moments from being pruned.
 *
 * @module
 */

import { VaultError } from "../../base/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { formatKey, formatTime, renderTable } from "../format.ts";
import { tagDocument } from "../json.ts";
import { confirm, show } from "../output.ts";
import { withVault } from "../session.ts";
import { readText } from "../values.ts";

export const tag = defineCommand({
  name: "tag",
  summary: "keep this moment from being pruned",
  usage: ["tag NAME", "tag --list", "tag --delete NAME"],
  about: [
    "Gives this moment a name. Whatever was the latest version of each key at a tagged moment " +
    "is left alone by `prune`, as long as the tag is there.",
  ],
  flags: {
    list: { kind: "switch", alias: "l", help: "list all tags" },
    delete: { kind: "value", alias: "d", value: "NAME", read: readText, help: "remove a tag" },
  },
  operands: [{ name: "NAME", optional: true }],
  examples: [
    ["tag before-move", "keep everything as it is now"],
    ["tag --list", "see what is kept"],
    ["tag --delete before-move", "let prune have it"],
  ],
  async run(context) {
    const { list, delete: gone } = context.flags;
    const name = context.operands[0];
    const asked = [list, gone !== undefined, name !== undefined].filter(Boolean).length;
    if (asked !== 1) {
      throw new VaultError("usage", "Cannot run tag: give a NAME, --list or --delete NAME", {
        hint: "one of them at a time",
      });
    }
    if (name !== undefined) return await makeTag(context, name);
    if (gone !== undefined) return await deleteTag(context, gone);
    await listTags(context);
  },
});

async function makeTag(context: Context, name: string): Promise<void> {
  const made = await withVault(context, (vault) => vault.tag(name));
  await confirm(context, {
    json: tagDocument(made),
    text: `tagged ${formatKey(made.name)}  ${formatTime(made.time)}\n`,
  });
}

async function deleteTag(context: Context, name: string): Promise<void> {
  await withVault(context, (vault) => vault.untag(name));
  await confirm(context, {
    json: { name, deleted: true },
    text: `removed tag ${formatKey(name)}\n`,
  });
}

async function listTags(context: Context): Promise<void> {
  const tags = await withVault(context, (vault) => vault.tags());
  const { columns, color } = context.io;
  const rows = tags.map((each) => [
    { text: formatTime(each.time) },
    { text: formatKey(each.name) },
  ]);
  const table = renderTable(
    [{ title: "TIME" }, { title: "NAME", narrow: "cut" }],
    rows,
    { columns, color },
  );
  await show(context, {
    json: { tags: tags.map(tagDocument) },
    text: rows.length === 0 ? "" : table,
  });
}
