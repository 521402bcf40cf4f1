/** The comparison: every program does every step, in turn, so that what slows the machine slows all of them. */

import { join } from "@std/path";
import { type Group, type Row, type Step, warm } from "./cases.ts";
import { bytesUnder, digestOf } from "./data.ts";
import { type Cost, measure, syncDisks } from "./measuring.ts";
import type { Place, Tool } from "./tools.ts";

/** One program's cost of one step, once. */
export interface Sample extends Cost {
  /** Bytes by which its repository grew. */
  addedBytes: number;
}

/** A row and what it cost, run by run, by program's name. */
export interface StepResult {
  step: Row;
  samples: Map<string, Sample[]>;
}

/** How to compare. */
export interface CompareOptions {
  tools: readonly Tool[];
  groups: readonly Group[];
  runs: number;
  /** Where the data lies. */
  data: string;
  /** Where repositories and fetched files go. */
  scratch: string;
  onStep: (text: string) => void;
}

/** Runs all of it. @throws Error if a program fails or brings back something else than was put */
export async function compare(options: CompareOptions): Promise<StepResult[]> {
  const { groups, runs } = options;
  const results = new Map<Step, StepResult>();
  for (let run = 0; run < runs; run++) {
    for (const group of groups) {
      // Another program goes first each time.
      const { tools } = options;
      const order = tools.map((_, i) => tools[(i + run) % tools.length]!);
      await runGroup(group, { ...options, order, run, results });
    }
  }
  return [...results.values()];
}

interface GroupRun extends CompareOptions {
  order: readonly Tool[];
  run: number;
  results: Map<Step, StepResult>;
}

async function runGroup(group: Group, options: GroupRun): Promise<void> {
  const { order, run, runs, scratch, results, onStep } = options;
  const places = new Map<Tool, Place>();
  for (const tool of order) {
    const place = await makePlace(join(scratch, tool.name), group.kind);
    places.set(tool, place);
    await measure(tool.init(place));
  }
  for (const step of group.steps) {
    const expected = await warm(options.data, step);
    const result = results.get(step) ?? { step, samples: new Map<string, Sample[]>() };
    results.set(step, result);
    for (const tool of order) {
      onStep(`run ${run + 1} of ${runs}: ${tool.name}: ${step.title}`);
      const sample = await runStep(step, { ...options, tool, place: places.get(tool)!, expected });
      result.samples.set(tool.name, [...result.samples.get(tool.name) ?? [], sample]);
    }
  }
  for (const tool of order) await Deno.remove(join(scratch, tool.name), { recursive: true });
}

/**
 * The folder for trees that were fetched. They stay until all is done: where many files were removed, ext4 without a journal is
 * slow to make new ones for minutes, 0.5 ms and more for each.
 */
const FETCHED = "fetched";

async function makePlace(folder: string, kind: Place["kind"]): Promise<Place> {
  const place = { store: join(folder, "store"), cache: join(folder, "cache"), kind, puts: 0 };
  await Deno.mkdir(place.store, { recursive: true });
  await Deno.mkdir(place.cache);
  return place;
}

async function runStep(
  step: Step,
  options: GroupRun & { tool: Tool; place: Place; expected: string },
): Promise<Sample> {
  const { tool, place, data, scratch, expected } = options;
  const before = await bytesUnder(place.store);
  const { name, tree } = step;
  if (step.action === "put") {
    await syncDisks();
    const cost = await measure(tool.put(place, { folder: join(data, step.folder), name, tree }));
    return { ...cost, addedBytes: await bytesUnder(place.store) - before };
  }
  const parent = join(scratch, tree ? FETCHED : tool.name);
  await Deno.mkdir(parent, { recursive: true });
  const into = await Deno.makeTempDir({ dir: parent });
  await syncDisks();
  const cost = await measure(tool.get(place, { into, name, tree }));
  if (await digestOf(into) !== expected) throw new Error(`${tool.name} fetched other bytes`);
  return { ...cost, addedBytes: await bytesUnder(place.store) - before };
}
