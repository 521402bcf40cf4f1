/**
 * What the acknowledgements of a killed process promise, and whether the home keeps it.
 *
 * An acknowledged version must be there, unless something that was acknowledged or under way may have taken it. A
 * version that was under way when the kill came may be there or not; if it is, it is whole.
 */

import { assert, assertEquals } from "@std/assert";
import type { Vault } from "../../src/vault/mod.ts";
import { assertSameBytes, collect, Dice, hex, read } from "../vault/helpers.ts";

/** The keys that are worked on. */
export const KEYS: readonly string[] = ["a", "b/c", "d"];
/** Sizes of what is put: nothing, one chunk, several chunks. */
export const SIZES: readonly number[] = [0, 10, 3000, 100_000, 300_000, 3_000_000];

/** What a version holds: the seed and size of its bytes; null for a delete. */
type Content = { seed: number; size: number } | null;

/** One key, as far as the acknowledgements tell. */
class KeyStory {
  /** By number. A number that is acknowledged here is certain. */
  readonly known = new Map<number, Content>();
  /** Versions up to this number may have been dropped: by a purge or a prune that was acknowledged or under way. */
  droppedUpTo = 0;
  /** What was under way when the process was killed. */
  readonly under: Content[] = [];

  last(): number {
    return Math.max(0, ...this.known.keys());
  }
}

/** All that the lines of all processes so far promise. */
export class Story {
  readonly #keys = new Map(KEYS.map((key) => [key, new KeyStory()]));

  #key(name: string): KeyStory {
    return this.#keys.get(name)!;
  }

  /** Takes in one line of the process. */
  add(line: string): void {
    const [what, ...rest] = line.split(" ") as [string, ...string[]];
    const [name, ...numbers] = rest as [string, ...string[]];
    const [a, b, c] = numbers.map(Number) as [number, number, number];
    switch (what) {
      case "ready":
        return;
      case "try":
        return this.#intend(rest);
      case "put": {
        const story = this.#key(name);
        this.#settle(story);
        story.known.set(a, { seed: b, size: c });
        return;
      }
      case "delete":
      case "purge":
        this.#settle(this.#key(name));
        this.#key(name).known.set(a, null);
        return;
      case "restore": {
        const story = this.#key(name);
        this.#settle(story);
        story.known.set(a, story.known.get(b)!);
        return;
      }
      case "prune":
        return;
      default:
        throw new Error(`the process said "${line}"`);
    }
  }

  /** From here on it may have happened. */
  #intend([what, name, ...numbers]: string[]): void {
    const [a, b] = numbers.map(Number) as [number, number];
    if (what === "prune") {
      for (const story of this.#keys.values()) {
        story.droppedUpTo = Math.max(story.droppedUpTo, story.last() - Number(name));
      }
      return;
    }
    const story = this.#key(name!);
    if (what === "put") story.under.push({ seed: a, size: b });
    if (what === "delete") story.under.push(null);
    if (what === "restore") story.under.push(story.known.get(a)!);
    if (what === "purge") {
      story.droppedUpTo = story.last();
      story.under.push(null);
    }
  }

  #settle(story: KeyStory): void {
    story.under.length = 0;
  }

  /** Holds the vault against the story; then what was under way is known, too. */
  async check(vault: Vault): Promise<void> {
    for (const [key, story] of this.#keys) await checkKey(vault, key, story);
    const { problems, damaged, missing } = await vault.verify();
    assertEquals([problems, damaged, missing], [[], 0, 0]);
    assertEquals(vault.problems(), []);
    const names = (await collect(vault.list({ deleted: true }))).map(({ key }) => key as string);
    assertEquals(names, KEYS.filter((key) => this.#key(key).last() > 0));
  }
}

async function checkKey(vault: Vault, key: string, story: KeyStory): Promise<void> {
  const history = await vault.history(key).catch((error) => {
    assertEquals(error.code, "not_found");
    return [];
  });
  if (history.length === 0) return assertEquals(story.known.size, 0, `${key} is gone`);
  const numbers = history.map(({ version }) => version);
  assertEquals(numbers, numbers.toSorted((a, b) => a - b));
  assertEquals(new Set(numbers).size, numbers.length, "no number twice");
  assert(!history.some(({ conflict, damaged }) => conflict || damaged));
  assertEquals(history.filter(({ latest }) => latest).map((each) => each.version), [
    numbers.at(-1)!,
  ]);

  const last = story.last();
  assert(numbers.at(-1)! <= last + story.under.length, `${key} ${numbers.at(-1)} is too new`);
  assert(numbers.at(-1)! >= last, `${key} ${last} was acknowledged and is gone`);
  for (const number of story.known.keys()) {
    if (number > story.droppedUpTo) {
      assert(numbers.includes(number), `${key} ${number} was acknowledged and is gone`);
    }
  }
  for (const { version, op, id, size } of history) {
    const expected = story.known.get(version);
    if (expected === undefined) {
      const content = await unknownContent(vault, key, { id, op, story });
      story.known.set(version, content);
      continue;
    }
    assertEquals(op === "delete", expected === null, `${key} ${version}`);
    if (expected === null) continue;
    assertEquals(size, expected.size, `${key} ${version}`);
    const bytes = await read(vault, key, { kind: "id", prefix: hex(id) });
    assertSameBytes(bytes, new Dice(expected.seed).bytes(expected.size), `${key} ${version}`);
  }
  // What a prune has dropped stays dropped; the next one counts from what is there.
  for (const number of [...story.known.keys()]) {
    if (!numbers.includes(number)) story.known.delete(number);
  }
  story.under.length = 0;
  story.droppedUpTo = 0;
}

/** What a version holds that was under way when the process was killed: it must be one of those. */
async function unknownContent(
  vault: Vault,
  key: string,
  { id, op, story }: { id: Uint8Array; op: string; story: KeyStory },
): Promise<Content> {
  if (op === "delete") {
    assert(story.under.includes(null), `${key}: nobody deleted it`);
    return null;
  }
  const bytes = await read(vault, key, { kind: "id", prefix: hex(id) });
  for (const content of story.under) {
    if (content === null || content.size !== bytes.length) continue;
    const wanted = new Dice(content.seed).bytes(content.size);
    if (wanted.every((byte, i) => byte === bytes[i])) return content;
  }
  throw new Error(`${key}: a version of ${bytes.length} bytes that nobody put`);
}
