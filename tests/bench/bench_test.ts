/** What the benchmark's figures rest on: its data, its medians, its verdicts. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Goal, Step } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { comparisonTable } from "./compare_runs.ts";
import { EDITS, noisePieces, textPieces, writeEdited, writePieces } from "./data.ts";
import { bestSeconds, type StageRate } from "./limit.ts";
import { median } from "./measuring.ts";
import { picture } from "./picture.ts";
import { asDocument, verdicts } from "./report.ts";
import { sizesUpTo, slopeOf } from "./scale.ts";

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

/** A result in which each program took so many seconds. */
function took(seconds: Record<string, number>, goals: Goal[]): StepResult {
  const step: Step = {
    title: "step",
    action: "put",
    folder: "f",
    name: "n",
    tree: false,
    bytes: 1,
    goals,
  };
  const sample = (seconds: number): Sample[] => [{ seconds, peakBytes: 1, addedBytes: 20e6 }];
  const samples = Object.entries(seconds).map(([name, taken]) => [name, sample(taken)] as const);
  return { step, samples: new Map(samples) };
}

Deno.test("verdicts: ratios against the right rival, met at the goal itself", () => {
  const goals: Goal[] = [
    { kind: "faster", than: "the faster rival", times: 2 },
    { kind: "faster", than: "restic", times: 3 },
    { kind: "time", of: "restic", share: 0.3 },
    { kind: "added", bytes: 16e6 },
  ];
  const result = took({ govault: 1, restic: 4, borg: 2 }, goals);
  const judged = verdicts([result]);
  assertEquals(judged.map(({ met }) => met), [true, true, true, false, true]);
  assertEquals(judged.map(({ measured }) => measured), [
    "2.00 times",
    "4.00 times",
    "0.25",
    "20.0 MB",
    "0 MiB",
  ]);
});

Deno.test("verdicts: without a rival there is none", () => {
  const goals: Goal[] = [{ kind: "faster", than: "the faster rival", times: 2 }];
  assertEquals(verdicts([took({ govault: 1 }, goals)])[0]!.met, null);
});

/** Rates of all stages that a get and a put go through: each takes a second for 100 bytes, but for syncing. */
function rates(sync: number): StageRate[] {
  const stages = ["read", "cut", "HMAC", "seal", "open", "SHA-256", "append", "TLS"] as const;
  const even = stages.map((stage): StageRate => ({ stage, piece: "chunk", one: 50, all: 100 }));
  return [...even, { stage: "sync", piece: "chunk", one: sync, all: sync }];
}

Deno.test("bestSeconds: the processor's stages take turns, the disk works beside them", () => {
  assertEquals(bestSeconds("put", { bytes: 100, rates: rates(1000) }), 6);
  assertEquals(bestSeconds("put", { bytes: 100, rates: rates(10) }), 10, "it waits for the disk");
  assertEquals(bestSeconds("get", { bytes: 100, rates: rates(10) }), 4);
  assertEquals(bestSeconds("replicate", { bytes: 100, rates: rates(1000) }), 9);
});

Deno.test("asDocument: what compare and the picture read", () => {
  const result = took({ govault: 10, restic: 20 }, []);
  result.step.limit = "put";
  result.step.bytes = 100;
  const about = { time: "2030-01-02T03:04:05Z", machine: "m", versions: ["a <b>"], runs: 1 };
  const run = asDocument([result], rates(1000), about);
  assertEquals(run.limit.seconds, { step: 6 });
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
  const points = (seconds: (size: number) => number) =>
    [1, 10, 100, 1000].map((size) => ({ size, cost: { seconds: seconds(size), peakBytes: 0 } }));
  const slopes = [() => 3, (size: number) => 2 * size, (size: number) => size * size]
    .map((seconds) => Math.round(100 * slopeOf(points(seconds))) / 100);
  assertEquals(slopes, [0, 1, 2]);
  assertEquals(sizesUpTo(500, 1, 10), [1, 10, 100, 500]);
});
