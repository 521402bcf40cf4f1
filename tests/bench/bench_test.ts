/** What the benchmark's figures rest on: its data, its medians, its verdicts. */

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { toHex } from "../../src/base/mod.ts";
import { openVault } from "../../mod.ts";
import type { Row } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { comparisonTable } from "./compare_runs.ts";
import { EDITS, noisePieces, textPieces, writeEdited, writePieces } from "./data.ts";
import type { Goal } from "./goals.ts";
import {
  bestSeconds,
  measureStages,
  type Operation,
  OPERATIONS,
  type Speeds,
  STAGE_NAMES,
} from "./limit.ts";
import { median } from "./measuring.ts";
import { picture } from "./picture.ts";
import { comparePrune } from "./prune.ts";
import { asDocument, verdicts } from "./report.ts";
import { AXES, type AxisResult, compareScale, readAxes } from "./scale.ts";
import { asOne, judge, sizesUpTo, slopeOf } from "./scale_growth.ts";
import { makeHome, makeTwin } from "./synthetic.ts";

Deno.test("writeEdited: overwrites, inserts in the middle, and keeps all the rest", async () => {
  const folder = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const [from, to] = [join(folder, "first"), join(folder, "second")];
    await writePieces(from, noisePieces(3_000_001, 1));
    await writeEdited(from, to);
    const [before, after] = [await Deno.readFile(from), await Deno.readFile(to)];
    assertEquals(after.length, before.length + EDITS.insertedBytes);
    const middle = Math.floor(before.length / 2);
    let changed = 0;
    for (let i = 0; i < before.length; i++) {
      if (before[i] !== after[i < middle ? i : i + EDITS.insertedBytes]) changed++;
    }
    const share = changed / (EDITS.count * EDITS.bytes);
    assertEquals(share > 0.99 && share <= 1, true, `${changed} bytes differ`); // some are the same by chance
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("noisePieces, textPieces: as long as asked, and the same each time", () => {
  const join = (pieces: Iterable<Uint8Array>) => [...pieces].flatMap((piece) => [...piece]);
  for (const make of [noisePieces, textPieces]) {
    const bytes = join(make(10_001, 4));
    assertEquals(bytes.length, 10_001);
    assertEquals(join(make(10_001, 4)), bytes);
    assertEquals(bytes.slice(-8).every((byte) => byte === 0), false);
  }
});

Deno.test("median: the middle, or the mean of the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
});

/** A result in which each program took so many seconds, and added ten times as many MB. */
function took(seconds: Record<string, number>, goals: Goal[], limit?: Operation): StepResult {
  const step: Row = {
    title: "step",
    action: "put",
    bytes: 100,
    goals,
    ...(limit === undefined ? {} : { limit }),
  };
  const sample = (seconds: number): Sample[] => [
    { seconds, peakBytes: 1, addedBytes: seconds * 10e6 },
  ];
  const samples = Object.entries(seconds).map(([name, taken]) => [name, sample(taken)] as const);
  return { step, samples: new Map(samples) };
}

Deno.test("verdicts: against the right rival, met at the goal itself", () => {
  const goals: Goal[] = [
    { kind: "faster", than: "the faster rival", times: 2 },
    { kind: "faster", than: "restic", times: 5 },
    { kind: "time", of: "restic", share: 0.25 },
    { kind: "added", bytes: 9e6 },
    { kind: "no larger" },
    { kind: "memory", bytes: 1 },
    { kind: "over", what: "a sync", seconds: 0.5 },
    { kind: "slower", than: "a sync", times: 1 },
  ];
  const result = took({ govault: 1, restic: 4, borg: 2, "a sync": 0.5 }, goals);
  const judged = verdicts([result], null).map(({ measured, met }) => [measured, met]);
  assertEquals(judged, [
    ["2.00 times", true],
    ["4.00 times", false],
    ["0.25", true],
    ["10.0 MB", false],
    ["10.0 MB", true],
    ["0 MiB", true],
    ["500.0 ms", true],
    ["2.00 times", false],
    ["0 MiB", true],
  ]);
});

Deno.test("verdicts: without a rival there is none", () => {
  const goals: Goal[] = [
    { kind: "faster", than: "the faster rival", times: 2 },
    { kind: "no larger" },
  ];
  const judged = verdicts([took({ govault: 1, "a sync": 9 }, goals)], null);
  assertEquals(judged.slice(0, 2).map(({ met }) => met), [null, null]);
});

Deno.test("verdicts: which goals lie beyond the limit", () => {
  const goals: Goal[] = [
    { kind: "faster", than: "restic", times: 2 }, // at the limit 24 s to 7 s
    { kind: "faster", than: "restic", times: 4 },
    { kind: "limit", share: 0.5 },
    { kind: "percentile", share: 0.5, seconds: 5 },
  ];
  const judged = verdicts([took({ govault: 20, restic: 24 }, goals, "put")], speeds(1000));
  assertEquals(
    judged.slice(0, 4).map(({ measured, atBest, isBeyondLimit }) => [
      measured,
      atBest,
      isBeyondLimit,
    ]),
    [
      ["1.20 times", "3.43 times", false],
      ["1.20 times", "3.43 times", true],
      ["35%", undefined, false],
      ["20000.0 ms", "7000.0 ms", true],
    ],
  );
});

/** All stages of large pieces take a second for 100 bytes, but for syncing; a start takes a second, a single sync two. */
function speeds(sync: number): Speeds {
  const names = ["read", "cut", "HMAC", "seal", "open", "SHA-256", "append", "TLS"] as const;
  const even = names.map((stage) => ({ stage, piece: "chunk", one: 50, all: 100 }) as const);
  return {
    stages: [...even, { stage: "sync", piece: "chunk", one: sync, all: sync }],
    startSeconds: 1,
    syncSeconds: 2,
  };
}

Deno.test("bestSeconds: after the start the processor's stages take turns, the disk works beside them", () => {
  const best = (operation: Operation, sync = 1000) =>
    bestSeconds(operation, { bytes: 100 }, speeds(sync));
  assertEquals(best("put"), 7);
  assertEquals(best("put", 10), 11, "it waits for the disk");
  assertEquals(best("get"), 5);
  assertEquals(best("replicate"), 10);
  assertEquals(best("put one"), 3, "a start and a sync");
  assertEquals(best("serve one"), 2, "the node runs already");
});

Deno.test("bestSeconds: of small files their number counts", () => {
  const stage = (name: "look up" | "enter rows") => {
    return { stage: name, piece: "small", one: 9216, all: 9216 } as const;
  };
  const perFile = { ...speeds(1), stages: [stage("look up"), stage("enter rows")] };
  assertEquals(bestSeconds("prune", { bytes: 1, pieces: 10 }, perFile), 1 + 10 + 5 + 2);
});

Deno.test("bestSeconds: every operation consists of stages that are measured", () => {
  const stages = STAGE_NAMES.map((stage) => {
    return { stage, piece: "chunk", one: 1, all: 1 } as const;
  });
  for (const operation of OPERATIONS) {
    const seconds = bestSeconds(operation, { bytes: 1 }, { ...speeds(1), stages });
    assertEquals(seconds > 0, true, operation);
  }
});

Deno.test("measureStages: what a small file costs", async () => {
  const folder = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const names = ["list files", "write files", "look up", "enter rows"] as const;
    const only = { stages: names, share: 1 / 128 };
    const { stages } = await measureStages(folder, { onStep: () => {}, only });
    assertEquals(stages.map(({ stage }) => stage).sort(), [...names].sort());
    assertEquals(stages.every(({ one, all }) => one > 0 && all > 0), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("comparePrune: half of the versions go, here and in a node", async () => {
  const scratch = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const options = { versions: 2, versionsAlone: 6, runs: 1, rivals: false, scratch };
    const results = await comparePrune({ ...options, onStep: () => {} });
    assertEquals(results.map(({ step }) => step.title), [
      "prune half of 2 versions",
      "prune half of 6 versions",
      "... of 6, in a node",
    ]);
    assertEquals(results.every(({ samples }) => samples.get("govault")?.length === 1), true);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});

Deno.test("asDocument: what compare and the picture read", () => {
  const result = took({ govault: 10, restic: 20 }, [], "put");
  const about = { time: "2030-01-02T03:04:05Z", machine: "m", versions: ["a <b>"], runs: 1 };
  const run = asDocument([result], speeds(1000), about);
  assertEquals(run.limit.seconds, { step: 7 });
  const other = structuredClone(run);
  other.steps[0]!.programs["govault"]!.median.seconds = 5;
  assertEquals(comparisonTable(run, other).split("\n").slice(1, 3).map((row) => row.split(/ +/)), [
    ["step", "govault", "10.00", "5.00", "2.00"],
    ["", "restic", "20.00", "20.00", "1.00"],
  ]);
  const drawn = picture(run);
  assertEquals(drawn.match(/<rect /g)?.length, 2);
  assertEquals(drawn.includes("a &lt;b&gt;") && drawn.includes("stroke="), true);
});

Deno.test("slopeOf: what doubles with the size has 1, what stays has 0", () => {
  const points = (value: (size: number) => number) =>
    [1, 10, 100, 1000].map((size) => ({ size, value: value(size) }));
  const slopes = [() => 3, (size: number) => 2 * size, (size: number) => size * size]
    .map((value) => Math.round(100 * slopeOf(points(value))) / 100);
  assertEquals(slopes, [0, 1, 2]);
  assertEquals(sizesUpTo(500, 1, 10), [1, 10, 100, 500]);
});

Deno.test("judge: by processor time; wall time alone misses nothing, but is told", () => {
  type Growing = (size: number) => number;
  const series = (wall: Growing, cpu: Growing | null) => ({
    what: "put",
    points: [1, 10, 100].map((size) => {
      const cpuSeconds = cpu?.(size) ?? null;
      return { size, cost: { seconds: wall(size), cpuSeconds, peakBytes: null } };
    }),
  });
  const verdictOf = (wall: Growing, cpu: Growing | null, isFlat: boolean, control?: Growing) =>
    judge(series(wall, cpu), {
      isFlat,
      ...(control === undefined ? {} : { control: series(control, control) }),
    }).verdict;
  const [flat, linear, quadratic]: Growing[] = [() => 1, (size) => size, (size) => size * size];
  assertEquals(verdictOf(flat!, flat!, true), "holds");
  assertEquals(verdictOf(linear!, flat!, true), "waits");
  assertEquals(verdictOf(flat!, linear!, true), "grows");
  assertEquals(verdictOf(linear!, null, true), "grows", "nothing else is known");
  assertEquals(verdictOf(linear!, linear!, false), "holds");
  assertEquals(verdictOf(linear!, quadratic!, false), "grows");
  assertEquals(verdictOf(linear!, linear!, true, linear), "holds", "the machine became slower");
  assertEquals(verdictOf(quadratic!, quadratic!, true, linear), "grows");
  assertEquals(verdictOf(flat!, linear!, true, (size) => 1 / size), "grows");
});

Deno.test("asOne: the middle wall time, the least processor time, the most memory", () => {
  const cost = (seconds: number, cpuSeconds: number | null, peakBytes: number | null) => {
    return { seconds, cpuSeconds, peakBytes };
  };
  const runs = [cost(3, 2, 10), cost(9, 4, 30), cost(4, 3, null)];
  assertEquals(asOne(runs), cost(4, 2, 30));
  assertEquals(asOne([cost(1, null, null)]), cost(1, null, null));
});

Deno.test("readAxes: in their order, by lists or one by one; all if none is named", () => {
  assertEquals(readAxes([]), [...AXES]);
  assertEquals(readAxes(["nodes", "keys,file"]), ["file", "keys", "nodes"]);
  assertThrows(() => readAxes(["keys,node"]), Error, '"node"');
});

Deno.test("compareScale: each axis by itself, with what it found", async () => {
  const scratch = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const sizes = { fileMib: 1, versions: 1, keys: 1, chunks: 1, nodes: 4 };
    const found = compareScale(["file", "nodes"], { ...sizes, scratch, onStep: () => {} });
    const file = (await found.next()).value as AxisResult;
    assertEquals(file.series.map(({ what }) => what), ["put", "put again", "get"]);
    const isLinux = Deno.build.os === "linux";
    const costs = file.series.flatMap(({ points }) => points.map(({ cost }) => cost));
    assertEquals(costs.every(({ seconds }) => seconds > 0), true);
    assertEquals(costs.every(({ cpuSeconds }) => (cpuSeconds ?? 0) > 0), isLinux);
    assertEquals([...Deno.readDirSync(scratch)], [], "nothing is left");
    const nodes = (await found.next()).value as AxisResult;
    assertEquals([nodes.axis, nodes.nodes.map(({ nodes }) => nodes)], ["nodes", [3, 4]]);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});

Deno.test("makeTwin: another node with the same keys, and an identity of its own", async () => {
  const scratch = await Deno.makeTempDir({ prefix: "govault-" });
  try {
    const [home, twin] = [join(scratch, "home"), join(scratch, "twin")];
    await makeHome(home, { keys: 3, chunks: 0 });
    await makeTwin(home, twin);
    const listed = async (home: string) => {
      await using vault = await openVault({ home });
      const keys = [];
      for await (const { key } of vault.list()) keys.push(key);
      return { keys, node: toHex((await vault.status()).node) };
    };
    const [one, other] = [await listed(home), await listed(twin)];
    assertEquals(one.keys.length, 3);
    assertEquals(other.keys, one.keys);
    assertNotEquals(other.node, one.node);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
});
