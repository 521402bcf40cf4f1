// deno-lint-ignore-file no-console -- its output is what it is for
/**
 * `deno task bench`: GoVault beside restic and borg, whichever are installed, on the same data, in turn.
 */

import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { prepare } from "./cases.ts";
import { compare, type StepResult } from "./compare.ts";
import { comparisonTable, readRun } from "./compare_runs.ts";
import { measureStages } from "./limit.ts";
import { compareMemory } from "./memory.ts";
import { compareNetwork } from "./network.ts";
import { picture } from "./picture.ts";
import { comparePrune } from "./prune.ts";
import { asDocument, limitTables, tables } from "./report.ts";
import { AXES, type AxisResult, compareScale, readAxes } from "./scale.ts";
import { compareServed } from "./served.ts";
import { chooseProgram, findTools, govaultCommand } from "./tools.ts";

const HELP =
  `deno task bench [--runs N] [--size MIB] [--versions N] [--quick] [--json FILE] [--svg FILE]
deno task bench (local | served | prune | --network) [the same]
deno task bench limit [--size MIB]
deno task bench compare A B
deno task bench scale [--axis NAME]... [--quick] [--json FILE]
deno task bench --memory [--gib N,N]

Compares GoVault with whichever of restic, borg and Syncthing are installed. GoVault
is what --program or GOVAULT_BIN names, or ./govault, or else the source, packed as it
is compiled and run by this Deno. "of limit" is how much was reached of the speed that
this machine could do at best, if all its cores were always busy with what must be
done. For a compiled program run this with the Deno that it was compiled with, as the
limit is that of the Deno that runs this.

  local        only puts and gets on this machine, beside restic and borg
  served       only puts of 1 KiB that a running node does, 100 of them
  prune        only a prune, beside restic
  --network    only nodes on loopback, beside Syncthing; with a get by a node that
               holds nothing, and the memory of one that receives much
  limit        instead: what each stage can do alone, and what follows from it
  compare A B  instead: two files that --json wrote, side by side
  scale        instead: how cost grows with files, versions, keys, chunks and nodes,
               judged by processor time; an hour and 60 GB of disk, with --quick
               some minutes
  --memory     instead: the most memory held at a put and a get of 1 and 8 GiB

  --runs N     how often each thing is done; medians are shown (default 5)
  --size MIB   size of the large file (default 512)
  --versions N snapshots that restic makes before it prunes half of them; 1000
               take it some minutes (default 1000)
  --quick      one run, 64 MiB, 1000 small files: a look, not a measurement
  --program F  the compiled program to measure
  --dir DIR    where data and repositories go (default: the temporary folder)
  --axis NAME  for scale only this: ${AXES.join(", ")};
               may be repeated, or a list with commas
  --json FILE  also writes every sample to FILE; scale does after each axis
  --svg FILE   also draws the medians
  --gib N,N    other sizes for --memory; for --network what a node receives (8)
`;

// `deno task bench -- limit` hands the two dashes on.
const flags = parseArgs(Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args, {
  boolean: ["quick", "memory", "network", "help"],
  string: ["runs", "size", "versions", "program", "dir", "json", "svg", "gib", "axis"],
  collect: ["axis"],
  unknown: (argument) => {
    if (!argument.startsWith("-")) return true; // judged below
    console.error(`Cannot run the benchmark: it knows no ${argument}; see --help`);
    Deno.exit(2);
  },
});

/** The number a flag gives, or what it is without the flag. */
function count(text: unknown, otherwise: number): number {
  if (typeof text !== "string") return otherwise;
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  console.error(`Cannot run the benchmark: "${text}" is no count`);
  Deno.exit(2);
}

/** What is being done, on standard error. */
function onStep(text: string): void {
  console.error(text);
}

const SMALL_FILES = 10_000;
const runs = count(flags.runs, flags.quick ? 1 : 5);
const largeBytes = count(flags.size, flags.quick ? 64 : 512) * 1024 * 1024;

/** Puts and gets on this machine. */
async function local(root: string): Promise<StepResult[]> {
  onStep("making the data");
  const [data, scratch] = [join(root, "data"), join(root, "scratch")];
  await Deno.mkdir(data);
  await Deno.mkdir(scratch);
  const smallFiles = flags.quick ? SMALL_FILES / 10 : SMALL_FILES;
  const groups = await prepare(data, { largeBytes, smallFiles });
  return await compare({ tools: await findTools(), groups, runs, data, scratch, onStep });
}

function network(
  scratch: string,
  { onlyPuts }: { onlyPuts: boolean },
): Promise<StepResult[]> {
  const receivedGib = flags.quick || onlyPuts ? 0 : Number(flags.gib ?? 8);
  return compareNetwork({ runs, largeBytes, onlyPuts, receivedGib, scratch, onStep });
}

function served(scratch: string): Promise<StepResult[]> {
  return compareServed({ runs: count(flags.runs, flags.quick ? 20 : 100), scratch, onStep });
}

function prune(scratch: string): Promise<StepResult[]> {
  const versions = count(flags.versions, flags.quick ? 50 : 1000);
  return comparePrune({
    versions,
    versionsAlone: flags.quick ? 0 : 10_000,
    runs,
    scratch,
    onStep,
  });
}

/** All of it in one run. */
async function everything(root: string): Promise<StepResult[]> {
  return [
    ...await local(root),
    ...await network(root, { onlyPuts: true }),
    ...await compareServed({ runs: flags.quick ? 20 : 100, scratch: root, onStep }),
    ...await prune(root),
  ];
}

/** Measures what the machine can do, then what `measurements` says, and reports. */
async function comparison(
  root: string,
  measurements: (root: string) => Promise<StepResult[]>,
): Promise<boolean> {
  const versions = (await findTools()).map(({ version }) => version);
  const speeds = await measureStages(root, { onStep });
  const results = await measurements(root);
  const machine = `${navigator.hardwareConcurrency} cores, ${Deno.build.os} ${Deno.build.arch}`;
  console.log(`\n${versions.join("; ")}; ${machine}; medians of ${runs}\n`);
  console.log(tables(results, speeds));
  const about = { time: new Date().toISOString(), machine, versions, runs };
  const found = asDocument(results, speeds, about);
  const outputs = [
    [flags.json, () => `${JSON.stringify(found, null, 2)}\n`],
    [flags.svg, () => picture(found)],
  ] as const;
  for (const [path, text] of outputs) {
    if (typeof path === "string") await Deno.writeTextFile(path, text());
  }
  return true;
}

async function limit(root: string): Promise<boolean> {
  const speeds = await measureStages(root, { onStep });
  console.log(limitTables(speeds, { bytes: largeBytes, files: SMALL_FILES }));
  return true;
}

async function scale(root: string): Promise<boolean> {
  const { label } = govaultCommand();
  console.log(`govault, ${label}`);
  const sizes = flags.quick
    ? { fileMib: 16, versions: 100, keys: 10_000, chunks: 10_000, nodes: 147 }
    : { fileMib: 16 * 1024, versions: 10_000, keys: 1_000_000, chunks: 10_000_000, nodes: 1000 };
  const axes = readAxes([flags.axis ?? []].flat().map(String));
  const found: AxisResult[] = [];
  for await (const result of compareScale(axes, { ...sizes, scratch: root, onStep })) {
    console.log(`${result.text}${result.axis}: measured in ${result.seconds.toFixed(0)} s\n`);
    found.push(result);
    if (typeof flags.json === "string") {
      const document = { time: new Date().toISOString(), label, axes: found };
      await Deno.writeTextFile(flags.json, `${JSON.stringify(document, null, 2)}\n`);
    }
  }
  return found.every(({ met }) => met);
}

async function compareRuns([a, b, ...more]: string[]): Promise<boolean> {
  if (a === undefined || b === undefined || more.length > 0) {
    throw new Error("Cannot compare: name two files that --json wrote");
  }
  console.log(comparisonTable(await readRun(a), await readRun(b)));
  return true;
}

/** What the words and flags ask for. */
function chosen(): (root: string) => Promise<boolean> {
  const [word, ...rest] = flags._.map(String);
  const parts: Record<string, (root: string) => Promise<StepResult[]>> = { local, served, prune };
  const part = parts[word ?? ""];
  if (part !== undefined && rest.length === 0) return (root) => comparison(root, part);
  if (word === "limit" && rest.length === 0) return limit;
  if (word === "scale" && rest.length === 0) return scale;
  if (word === "compare") return () => compareRuns(rest);
  if (word !== undefined) {
    console.error(`Cannot run the benchmark: it knows no ${word}; see --help`);
    Deno.exit(2);
  }
  if (flags.memory) return memory;
  return flags.network
    ? (root) => comparison(root, () => network(root, { onlyPuts: false }))
    : (root) => comparison(root, everything);
}

async function memory(root: string): Promise<boolean> {
  const gibibytes = String(flags.gib ?? "1,8").split(",").map((text) => count(text, 1));
  console.log(`govault, ${govaultCommand().label}`);
  const { text, met } = await compareMemory({ gibibytes, scratch: root, onStep });
  console.log(text);
  return met;
}

if (flags.help) {
  console.log(HELP);
  Deno.exit(0);
}
if (typeof flags.program === "string") {
  Deno.env.set("GOVAULT_BIN", await Deno.realPath(flags.program)); // nodes are started by it too
}
const run = chosen();
const parent = typeof flags.dir === "string" ? { dir: flags.dir } : {};
const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "govault-bench-", ...parent }));
const cleanUp = () => Deno.removeSync(root, { recursive: true });
Deno.addSignalListener("SIGINT", () => {
  cleanUp();
  Deno.exit(130);
});
let ok = false;
try {
  if (flags._[0] !== "compare") await chooseProgram(root);
  ok = await run(root);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
} finally {
  cleanUp();
}
Deno.exit(ok ? 0 : 1);
