/**
 * Damage to vault.db, which holds nothing that the packs do not: whatever happens to it, an answer is right or says
 * `damaged`.
 */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { encodeUtf8, isVaultError } from "../../src/base/mod.ts";
import type { Vault } from "../../src/vault/mod.ts";
import {
  collect,
  copyHome,
  Dice,
  flipBit,
  hex,
  homeWithVault,
  nextMillisecond,
  randomBytes,
  read,
  TempFolder,
  withVault,
} from "./helpers.ts";

/** Flipped bits a run tries, and where the seeds begin: more in a longer search. */
const FLIPS = Number(Deno.env.get("GOVAULT_FLIPS") ?? 200);
const FIRST_FLIP = Number(Deno.env.get("GOVAULT_FIRST_FLIP") ?? 0);

/** Questions put to a vault that was damaged. */
const QUESTIONS = 3;

/** A vault of 12 keys in some 40 versions, with deletes, restores, tags and a prune behind it. */
async function filled(): Promise<TempFolder> {
  const folder = await homeWithVault();
  const dice = new Dice(12);
  await withVault(folder, async (vault) => {
    for (let i = 0; i < 46; i++) {
      const key = `folder ${i % 3}/key ${i % 12}`;
      await vault.put(key, encodeUtf8(`text ${i} `.repeat(1 + dice.below(50))));
      if (i === 20) await vault.tag("twenty");
      if (i === 22) await vault.tag("gone");
      if (i === 30) await vault.untag("gone");
      if (i === 33) await vault.prune({ keepLast: 2 });
    }
    await vault.delete("folder 0/key 3");
    await vault.delete("folder 1/key 4");
    await vault.restore("folder 1/key 4", { kind: "number", number: 3 });
    nextMillisecond();
  });
  return folder;
}

/** The vault's answers to all questions, each as text. */
function questions(vault: Vault): Record<string, () => Promise<string>> {
  const bytesAsHex = (_: string, value: unknown) =>
    value instanceof Uint8Array ? hex(value) : value;
  const text = (value: unknown) => JSON.stringify(value, bytesAsHex);
  const ask: Record<string, () => Promise<string>> = {
    list: async () => text(await collect(vault.list({ deleted: true }))),
    tags: async () => text(await vault.tags()),
    status: async () => {
      const { keys, versions, logicalBytes } = await vault.status();
      return text([keys, versions, logicalBytes]);
    },
    prune: async () => {
      const { dropped, keptVersions } = await vault.prune({ keepLast: 1 }, { dryRun: true });
      return text([dropped, keptVersions]);
    },
  };
  for (let i = 0; i < 12; i++) {
    const key = `folder ${i % 3}/key ${i}`;
    ask[`history of ${key}`] = async () => text(await vault.history(key));
    if (i % 3 !== 2) continue; // reading takes longest
    ask[`contents of ${key}`] = async () => {
      const contents: string[] = [];
      for (const { op, id } of await vault.history(key)) {
        if (op === "delete") continue;
        const bytes = await read(vault, key, { kind: "id", prefix: hex(id) });
        contents.push(new TextDecoder().decode(bytes));
      }
      return text(contents);
    };
  }
  return ask;
}

async function answers(vault: Vault): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [question, ask] of Object.entries(questions(vault))) found[question] = await ask();
  return found;
}

/**
 * Asks a vault whose index is damaged some questions, beginning with one that `dice` picks. Sometimes the first thing that
 * happens is a put instead: it must not go on from a wrong place in the log.
 */
async function interrogate(
  copy: TempFolder,
  expected: Record<string, string>,
  dice: Pick<Dice, "below">,
  questionsMax = QUESTIONS,
): Promise<void> {
  const putsFirst = dice.below(4) === 0;
  await withVault(copy, async (vault) => {
    const asked = Object.entries(questions(vault));
    const first = dice.below(asked.length);
    for (let i = 0; i < Math.min(questionsMax, asked.length) && !putsFirst; i++) {
      const [question, ask] = asked[(first + i) % asked.length]!;
      try {
        assertEquals(await ask(), expected[question], question);
      } catch (error) {
        if (!isVaultError(error, "damaged")) throw error;
      }
    }
    if (!putsFirst) return;
    await vault.put("one more", encodeUtf8("one more"));
    await vault.put("folder 2/key 11", encodeUtf8("one more"));
  });
  if (!putsFirst) return;
  // What was written then has to be a good continuation.
  Deno.removeSync(copy.at("home", "vault.db"));
  await withVault(copy, async (vault) => {
    assertEquals(vault.problems(), []);
    const { problems, missing, damaged } = await vault.verify();
    assertEquals([problems, missing, damaged], [[], 0, 0]);
    const history = await vault.history("folder 2/key 11");
    assertEquals(history.at(-1)!.size, 8);
    assert(!history.some(({ conflict }) => conflict));
    const { "folder 2/key 11": _, ...rest } = expected;
    for (const [question, ask] of Object.entries(questions(vault))) {
      if (question.startsWith("contents") && !question.includes("key 11")) {
        assertEquals(await ask(), rest[question], question);
      }
    }
  });
}

Deno.test("open: a flipped bit anywhere in vault.db never gives a wrong answer", async () => {
  using folder = await filled();
  const expected = await withVault(folder, answers);
  const size = Deno.statSync(folder.at("home", "vault.db")).size;
  for (let seed = FIRST_FLIP; seed < FIRST_FLIP + FLIPS; seed++) {
    using copy = new TempFolder();
    copyHome(folder.home, copy.home);
    const dice = new Dice(seed);
    const [offset, bit] = [dice.below(size), dice.below(8)];
    flipBit(copy.at("home", "vault.db"), offset, bit);
    try {
      await interrogate(copy, expected, dice);
    } catch (error) {
      throw new Error(`flip ${seed}: bit ${bit} of byte ${offset} of ${size}`, { cause: error });
    }
  }
});

/** What a value may have become: the least change of its kind. */
const OTHER_VALUE = `CASE typeof(COLUMN)
  WHEN 'integer' THEN COLUMN + 1
  WHEN 'blob' THEN CASE length(COLUMN)
    WHEN 0 THEN x'00'
    ELSE CAST(x'ff' || substr(COLUMN, 2) AS BLOB) END
  ELSE 1 END`;

/** Statements that each change or remove one row, for every column of every table. */
function rowDamages(path: string): string[] {
  const database = new DatabaseSync(path);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const statements = tables.flatMap(({ name: table }) => {
    const columns = database.prepare(`PRAGMA table_info(${table})`).all().map(({ name }) =>
      String(name)
    );
    // The row in the middle, named by its first column, which is the key of every table here.
    const [key] = columns as [string];
    const middle = `WHERE ${key} = (SELECT ${key} FROM ${table} ORDER BY ${key}
      LIMIT 1 OFFSET (SELECT count(*) / 2 FROM ${table}))`;
    const last = `WHERE ${key} = (SELECT max(${key}) FROM ${table})`;
    const changes = columns.map((column) =>
      `UPDATE OR REPLACE ${table} SET ${column} = ${
        OTHER_VALUE.replaceAll("COLUMN", column)
      } ${middle}`
    );
    return [...changes, `DELETE FROM ${table} ${last}`, `DELETE FROM ${table}`];
  });
  database.close();
  return statements;
}

Deno.test("open: a row changed or gone in any table of vault.db never gives a wrong answer", async () => {
  using folder = await filled();
  const expected = await withVault(folder, answers);
  const statements = rowDamages(folder.at("home", "vault.db"));
  assert(statements.length > 60, `${statements.length} statements`);
  for (const statement of statements) {
    // What a put goes on from stands in these tables.
    const steers = /^DELETE FROM (segments|versions|keys|totals)/.test(statement);
    for (const putsFirst of steers ? [false, true] : [false]) {
      using copy = new TempFolder();
      copyHome(folder.home, copy.home);
      const database = new DatabaseSync(copy.at("home", "vault.db"));
      database.exec(statement);
      database.close();
      try {
        await interrogate(copy, expected, { below: () => putsFirst ? 0 : 1 }, Infinity);
      } catch (error) {
        throw new Error(statement, { cause: error });
      }
    }
  }
});

Deno.test("open: vault.db deleted, emptied, cut off, garbage or full of zeros is made anew", async () => {
  using folder = await filled();
  const expected = await withVault(folder, answers);
  const path = (copy: TempFolder) => copy.at("home", "vault.db");
  const size = Deno.statSync(path(folder)).size;
  const damages: Record<string, (copy: TempFolder) => void> = {
    deleted: (copy) => Deno.removeSync(path(copy)),
    emptied: (copy) => Deno.truncateSync(path(copy), 0),
    "cut to a page": (copy) => Deno.truncateSync(path(copy), 4096),
    "cut in the middle": (copy) => Deno.truncateSync(path(copy), size >>> 1),
    "cut by a byte": (copy) => Deno.truncateSync(path(copy), size - 1),
    garbage: (copy) => Deno.writeFileSync(path(copy), randomBytes(size)),
    text: (copy) => Deno.writeTextFileSync(path(copy), "not a database"),
    zeros: (copy) => Deno.writeFileSync(path(copy), new Uint8Array(size)),
    "garbage behind a good page": (copy) => {
      const bytes = Deno.readFileSync(path(copy));
      bytes.set(randomBytes(size - 4096), 4096);
      Deno.writeFileSync(path(copy), bytes);
    },
    "a WAL of garbage": (copy) => Deno.writeFileSync(`${path(copy)}-wal`, randomBytes(10_000)),
    "an SHM of garbage": (copy) => Deno.writeFileSync(`${path(copy)}-shm`, randomBytes(32_768)),
    "a journal of garbage": (copy) =>
      Deno.writeFileSync(`${path(copy)}-journal`, randomBytes(10_000)),
    "another's database": (copy) => {
      Deno.removeSync(path(copy));
      const other = new DatabaseSync(path(copy));
      other.exec("CREATE TABLE meta(name TEXT, value); INSERT INTO meta VALUES('ready', 1)");
      other.close();
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    using copy = new TempFolder();
    copyHome(folder.home, copy.home);
    damage(copy);
    for (let time = 1; time <= 2; time++) {
      await withVault(copy, async (vault) => {
        assertEquals(await answers(vault), expected, `${name}, opened ${time}`);
        assertEquals((await vault.verify()).problems, [], name);
      });
    }
  }
});

Deno.test("open: an older copy of vault.db catches up, also over a collection", async () => {
  using folder = await filled();
  const older = Deno.readFileSync(folder.at("home", "vault.db"));
  await withVault(folder, async (vault) => {
    for (let i = 0; i < 12; i++) {
      await vault.put(`folder ${i % 3}/key ${i}`, randomBytes(20_000, i));
      await vault.put("new", randomBytes(30_000, i));
    }
  });
  const between = Deno.readFileSync(folder.at("home", "vault.db"));
  const putsFirst = { below: () => 0 };
  const check = async () => {
    const expected = await withVault(folder, answers);
    for (const copied of [older, between]) {
      using copy = new TempFolder();
      copyHome(folder.home, copy.home);
      Deno.writeFileSync(copy.at("home", "vault.db"), copied);
      await withVault(copy, async (vault) => {
        assertEquals(await answers(vault), expected);
        assertEquals((await vault.verify()).problems, []);
      });
      using again = new TempFolder();
      copyHome(folder.home, again.home);
      Deno.writeFileSync(again.at("home", "vault.db"), copied);
      await interrogate(again, expected, putsFirst);
    }
  };
  await check();
  await withVault(folder, async (vault) => {
    assert((await vault.prune({ keepLast: 1 })).freedBytes > 0);
  });
  await check();
});
