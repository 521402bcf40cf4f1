import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands/mod.ts";
import { COMPLETION_SCRIPTS } from "../../src/cli/completions.ts";

function scriptFor(shell: string): string {
  return COMPLETION_SCRIPTS[shell]!(COMMANDS);
}

/** Whether a program is there to be run. */
async function has(program: string): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: ["--version"], stdout: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

const BASH = await has("bash");
const FISH = await has("fish");
const ZSH = await has("zsh");

/** What bash offers for the last word of a line. */
async function bashOffers(line: string): Promise<string[]> {
  const words = line.split(" ");
  const program = `source /dev/stdin
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length - 1}
_govault
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const child = new Deno.Command("bash", {
    args: ["--norc", "-c", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(scriptFor("bash")));
  await writer.close();
  const { stdout, stderr } = await child.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").filter((word) => word !== "").sort();
}

Deno.test({
  name: "bash completions: commands, flags and words, by the table",
  ignore: !BASH,
  async fn() {
    assertEquals(await bashOffers("govault pu"), ["put"]);
    assertEquals(await bashOffers("govault --home /tmp re"), ["recover", "restore"]);
    assertEquals(await bashOffers("govault get --ver"), ["--version"]);
    assertEquals(await bashOffers("govault completions "), ["bash", "fish", "zsh"]);
    assertEquals(await bashOffers("govault help hist"), ["history"]);
    assertEquals(await bashOffers("govault get --version "), []);
    const all = await bashOffers("govault ");
    assertEquals(all, [...COMMANDS.map((command) => command.name), "help"].sort());
  },
});

Deno.test({
  name: "fish completions: commands, flags and words, by the table",
  ignore: !FISH,
  async fn() {
    const folder = await Deno.makeTempDir();
    const script = `${folder}/govault.fish`;
    await Deno.writeTextFile(script, scriptFor("fish"));
    const offers = async (line: string) => {
      const { stdout, stderr } = await new Deno.Command("fish", {
        args: ["--no-config", "-c", `source ${script}; complete -C "${line}"`],
      }).output();
      assertEquals(new TextDecoder().decode(stderr), "");
      return new TextDecoder().decode(stdout).trim().split("\n").map((row) => row.split("\t")[0]);
    };
    assertEquals(await offers("govault pu"), ["put"]);
    assertEquals(await offers("govault get --ver"), ["--version"]);
    assertEquals(await offers("govault key ph"), ["phrase"]);
    await Deno.remove(folder, { recursive: true });
  },
});

for (const [shell, there] of [["bash", BASH], ["zsh", ZSH], ["fish", FISH]] as const) {
  Deno.test({
    name: `${shell} completions: the shell accepts the script`,
    ignore: !there,
    async fn() {
      const path = await Deno.makeTempFile();
      await Deno.writeTextFile(path, scriptFor(shell));
      const { success, stderr } = await new Deno.Command(shell, { args: ["-n", path] }).output();
      assert(success, new TextDecoder().decode(stderr));
      await Deno.remove(path);
    },
  });
}

for (const shell of Object.keys(COMPLETION_SCRIPTS)) {
  Deno.test(`${shell} completions: every command and flag of the table is in it`, () => {
    const script = scriptFor(shell);
    for (const command of COMMANDS) {
      assertStringIncludes(script, command.name);
      for (const name of Object.keys(command.flags)) {
        assertStringIncludes(script, shell === "fish" ? `-l ${name}` : `--${name}`);
      }
    }
  });
}
