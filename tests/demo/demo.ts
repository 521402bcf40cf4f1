// deno-lint-ignore-file no-console -- saying what happens is what a demo is for
/**
 * `deno task demo`: a file is stored, edited, stored again, and both versions come back; by the real command
 * line, in a temporary home; then the same on three nodes, one of which dies. What the program prints is shown as it is; what is claimed about it is checked,
 * and the exit code is 0 only if all of it holds.
 */

import { fromFileUrl, join } from "@std/path";
import { differenceInBytes, edited, mixedContent } from "./content.ts";
import { clearText } from "./clear_text.ts";
import { networkStory } from "./network.ts";

const MAIN = fromFileUrl(new URL("../../main.ts", import.meta.url));
const FILE = "field-notes.dat";
const FILE_BYTES = 20 * 1024 * 1024;
/** Most bytes that storing the edited file may add: each edit costs a chunk or two of some 0.5 MB. */
const ADDED_BYTES_MAX = 8 * 1024 * 1024;

const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "govault-demo-" }));
const home = join(root, "home");
const folder = join(root, "work");
let failures = 0;
let stepNumber = 0;

function say(text: string): void {
  for (const line of text.split("\n")) console.log(line === "" ? "" : `   ${line}`);
}

/** Begins the next step of the story. */
function step(title: string): void {
  console.log(`\n${++stepNumber}. ${title}\n`);
}

/** A claim, and whether it holds. */
function check(claim: string, holds: boolean): void {
  if (!holds) failures++;
  say(`${holds ? "✓" : "✗ NOT SO:"} ${claim}`);
}

/** Runs govault as a user would type it, and shows the command and what it prints. */
async function govault(...args: string[]): Promise<void> {
  say(`$ govault ${args.join(" ")}`);
  const { out, err, code } = await run(args);
  const printed = (err + out).trimEnd();
  if (printed !== "") say(printed);
  if (code !== 0) check(`the command succeeds (its exit code is ${code})`, false);
}

/** Runs govault with `--json`, unseen; what it reports. */
async function ask<T>(...args: string[]): Promise<T> {
  const { out, err, code } = await run([...args, "--json"]);
  if (code !== 0) throw new Error(`govault ${args.join(" ")} failed: ${err}`);
  return JSON.parse(out) as T;
}

async function run(args: string[]): Promise<{ out: string; err: string; code: number }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", MAIN, ...args],
    cwd: folder,
    env: { GOVAULT_HOME: home, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { out: decoder.decode(stdout), err: decoder.decode(stderr), code };
}

async function sha256OfFile(name: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(join(folder, name)));
  return new Uint8Array(hash).toHex();
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

interface History {
  versions: { version: number; op: string; addedBytes: number }[];
}

async function story(): Promise<void> {
  const path = join(folder, FILE);

  step("A file to keep: log lines, and bytes that no compressor makes smaller.");
  const first = mixedContent(FILE_BYTES);
  await Deno.writeFile(path, first);
  const firstHash = await sha256OfFile(FILE);
  say(`${FILE}  ${mebibytes(first.length)}  SHA-256 ${firstHash.slice(0, 16)}…`);

  step("It is stored. There is no vault yet, so one is made.");
  await govault("put", FILE);

  step("The file is edited: five lines changed here and there, a paragraph put into the middle.");
  const second = edited(first);
  await Deno.writeFile(path, second);
  const secondHash = await sha256OfFile(FILE);
  say(`${FILE}  ${mebibytes(second.length)}  SHA-256 ${secondHash.slice(0, 16)}…`);
  say(`${differenceInBytes(first, second)} bytes are new; all after the middle has moved.`);

  step("It is stored again. Only chunks that the edits touched are new.");
  await govault("put", FILE);
  const { versions } = await ask<History>("history", FILE);
  const added = versions[1]?.addedBytes ?? Infinity;
  check(
    `the second version added ${mebibytes(added)}, ${
      (100 * added / second.length).toFixed(0)
    } % of the file`,
    added <= ADDED_BYTES_MAX,
  );

  step("Its history.");
  await govault("history", FILE);
  check("there are two versions", versions.length === 2);

  step("Both versions come back.");
  await govault("get", FILE, "--version", "1", "-o", "first.dat");
  await govault("get", FILE, "-o", "second.dat");
  check(
    "version 1 is the file as it was, by SHA-256",
    await sha256OfFile("first.dat") === firstHash,
  );
  check("version 2 is the file as it is", await sha256OfFile("second.dat") === secondHash);

  step("What lies on the disk gives nothing away: its bytes are searched for the file's.");
  const { files, bytes, found } = await clearText(home, { name: FILE, content: second });
  say(`${files} files, ${mebibytes(bytes)}`);
  check("the file's name is nowhere in them", !found.includes("name"));
  check("nor is anything of what the file holds", !found.includes("content"));
  const beside = await clearText(folder, { name: FILE, content: second });
  check(
    "the same search of the folder beside it finds both",
    beside.found.includes("name") && beside.found.includes("content"),
  );

  step("It is deleted, and brought back.");
  await govault("delete", FILE);
  await govault("ls");
  await govault("restore", FILE, "--version", "1");
  await govault("history", FILE);
  await govault("get", FILE, "-o", "restored.dat");
  check("what was restored is version 1", await sha256OfFile("restored.dat") === firstHash);

  step("Everything stored is read and checked.");
  await govault("verify");
}

async function cleanUp(): Promise<void> {
  await Deno.remove(root, { recursive: true });
}

Deno.addSignalListener("SIGINT", async () => {
  await cleanUp();
  Deno.exit(130);
});
console.log(
  "GoVault, shown on one file, then on three nodes. Everything happens in temporary folders that go away at the end.",
);
try {
  await Deno.mkdir(folder);
  await story();
  await networkStory({ say, step, check });
} catch (error) {
  failures++;
  console.error(error instanceof Error ? error.message : error);
} finally {
  await cleanUp();
}
console.log(failures === 0 ? "\nAll of it holds." : `\n${failures} of it did not hold.`);
Deno.exit(failures === 0 ? 0 : 1);
