/**
 * Tags: moments with a name, which prune leaves alone.
 *
 * @module
 */

import { quoteKey, toHex, VaultError } from "../base/mod.ts";
import { parseTagName } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedTag } from "./record_index.ts";
import type { TagInfo } from "./types.ts";
import { readRecords } from "./whole_records.ts";

/** The tags there are, by time and name. Damaged records are taken from other nodes. */
export function tagsOf(context: VaultContext): Promise<TagInfo[]> {
  return readRecords(context, () => listTags(context));
}

/** As {@link tagsOf}, of records that are here. Of several about one name the last counts. @throws VaultError `damaged` */
export function listTags(context: VaultContext): TagInfo[] {
  return context.database.guard(() => {
    const last = new Map<string, IndexedTag>();
    for (const tag of context.index.tags()) {
      const name = toHex(tag.nameTag);
      const other = last.get(name);
      if (other === undefined || isLater(tag, other)) last.set(name, tag);
    }
    const tags: TagInfo[] = [];
    for (const tag of last.values()) {
      if (tag.removes) continue;
      const { segment, bodies } = context.segments.open(tag.segment);
      const body = bodies()[tag.position];
      if (body?.kind !== "tag") {
        throw new VaultError("damaged", "Cannot read a tag: its record is of another kind");
      }
      tags.push({ name: body.name, time: body.moment, node: segment.nodeId });
    }
    return tags.sort((a, b) => a.time - b.time || (a.name < b.name ? -1 : 1));
  });
}

function isLater(a: IndexedTag, b: IndexedTag): boolean {
  return a.clock === b.clock ? toHex(a.record) > toHex(b.record) : a.clock > b.clock;
}

/** Names this moment. @throws VaultError `exists` if the name is taken, `usage` if it can't be one */
export async function addTag(context: VaultContext, text: string): Promise<TagInfo> {
  const name = parseTagName(text);
  if ((await tagsOf(context)).some((tag) => tag.name === name)) {
    throw new VaultError(
      "exists",
      `Cannot tag this moment ${quoteKey(name)}: there is such a tag already`,
      {
        hint: `remove it first: govault tag --delete ${quoteKey(name)}`,
      },
    );
  }
  const nameTag = context.keys.tagNameTag(name);
  const moment = context.clock.now();
  await context.committer.commit({
    record: (clock) => ({ kind: "tag", clock, nameTag }),
    body: { kind: "tag", name, moment },
  });
  return { name, time: moment, node: context.nodeId };
}

/** Removes a tag; prune may then drop what it kept. @throws VaultError `not_found` */
export async function removeTag(context: VaultContext, text: string): Promise<void> {
  const name = parseTagName(text);
  if (!(await tagsOf(context)).some((tag) => tag.name === name)) {
    throw new VaultError("not_found", `Cannot remove tag ${quoteKey(name)}: there is no such tag`, {
      hint: "`govault tag --list` lists the tags",
    });
  }
  const nameTag = context.keys.tagNameTag(name);
  await context.committer.commit({
    record: (clock) => ({ kind: "untag", clock, nameTag }),
    body: { kind: "untag" },
  });
}
