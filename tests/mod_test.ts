/** The library as its first page shows it: the example of `mod.ts` is taken out of its comment and run. */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** The example in the comment at the top of `mod.ts`. */
async function example(): Promise<string> {
  const text = await Deno.readTextFile(join(ROOT, "mod.ts"));
  const [, block] = /^ \* ```ts\n([\s\S]*?)^ \* ```$/m.exec(text) ?? [];
  if (block === undefined) throw new Error("mod.ts has no example");
  return block.replace(/^ \* ?/gm, "");
}

Deno.test("mod.ts: its example stores, fetches and lists in five lines, and passes the type check", async () => {
  const folder = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const code = await example();
    const statements = code.split("\n").filter((line) =>
      line !== "" && !line.startsWith("import ")
    );
    assertEquals(statements.length, 5);
    const path = join(folder, "example.ts");
    await Deno.writeTextFile(path, code);
    const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(info.stdout)) as { denoDir: string };
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--check", "--config", join(ROOT, "deno.json"), "--allow-all", path],
      env: { HOME: folder, XDG_DATA_HOME: join(folder, "data"), DENO_DIR: denoDir },
    }).output();
    assertEquals([exit, new TextDecoder().decode(stderr)], [0, ""]);
    assertEquals(new TextDecoder().decode(stdout), "version 1: Buy milk\n\n1 9\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
