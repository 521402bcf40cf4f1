/** What the documents say of the tests: each that they name is there. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** A test that a document names: the file or folder, and what its name begins with. */
interface Named {
  path: string;
  test: string | undefined;
}

function namedIn(text: string): Named[] {
  return Array.from(
    text.matchAll(/`(tests\/[^`]*)`(?: “([^”]+)”)?/g),
    ([, path, test]) => ({ path: path!, test }),
  );
}

/** What is wrong with it, or `null`. */
async function objection({ path, test }: Named): Promise<string | null> {
  if (/[A-Z*]/.test(path)) return null; // a pattern
  try {
    const { isFile } = await Deno.stat(new URL(path, ROOT));
    if (test === undefined) return null;
    if (!isFile) return `${path} is no file`;
    const source = await Deno.readTextFile(new URL(path, ROOT));
    return source.includes(`"${test}`) || source.includes(`\`${test}`)
      ? null
      : `${path} has no test “${test}”`;
  } catch {
    return `${path} is not there`;
  }
}

Deno.test("docs: every test that is named is there", async () => {
  for (const document of ["docs/testing.md", "docs/development.md"]) {
    const named = namedIn(await Deno.readTextFile(new URL(document, ROOT)));
    assert(named.length > 0, `${document} names no test`);
    const objections = await Promise.all(named.map(objection));
    assertEquals(objections.filter((text) => text !== null), [], document);
  }
});

Deno.test("docs: a file, a folder or a name that is not there is noticed", async () => {
  const text = "`tests/docs_test.ts` “docs: every test” `tests/docs_test.ts` “docs: never” " +
    "`tests/gone_test.ts` `tests/gone/` `tests/cli/`";
  const objections = await Promise.all(namedIn(text).map(objection));
  assertEquals(objections.map((text) => text === null), [true, false, false, false, true]);
});
