import { assert, assertEquals } from "@std/assert";
import { displayWidth } from "../../src/cli/format.ts";
import { measure, progressLine, startMeter } from "../../src/cli/progress.ts";
import { fakeIo } from "./fake_io.ts";

const MiB = 1024 ** 2;

Deno.test("progressLine: percent, bytes, speed, remaining time", () => {
  const line = progressLine(
    { doneBytes: 317 * MiB, totalBytes: 512 * MiB, item: "disk.img" },
    { bytesPerMs: 0.195 * MiB, columns: 80 },
  );
  assertEquals(line, "disk.img   61%  317 MiB of 512 MiB  195 MiB/s  1s left");
});

Deno.test("progressLine: without a total there is no percentage and no remaining time", () => {
  const options = { bytesPerMs: 1024, columns: 80 };
  assertEquals(
    progressLine({ doneBytes: 5 * MiB, totalBytes: undefined }, options),
    "5 MiB  1000 KiB/s",
  );
});

Deno.test("progressLine: fits any width", () => {
  const progress = { doneBytes: 1, totalBytes: 3 * MiB, item: "漢字".repeat(40) };
  for (let columns = 1; columns < 120; columns++) {
    const line = progressLine(progress, { bytesPerMs: 1, columns });
    assert(displayWidth(line) <= columns, `${columns}: ${line}`);
  }
});

Deno.test("progressLine: a name can't steer the terminal", () => {
  const progress = { doneBytes: 1, totalBytes: undefined, item: "a\x1b[2Jb" };
  assert(!progressLine(progress, { bytesPerMs: 0, columns: 80 }).includes("\x1b"));
});

Deno.test("measure: an old speed counts half after two seconds", () => {
  const first = measure({ bytesPerMs: 0, doneBytes: 0, time: 0 }, { doneBytes: 1000, time: 1000 });
  assertEquals(first.bytesPerMs, 1);
  const slower = measure(first, { doneBytes: 1000, time: 3000 });
  assertEquals(slower.bytesPerMs, 0.5);
});

Deno.test("measure: a count that begins anew keeps the speed", () => {
  const speed = { bytesPerMs: 3, doneBytes: 900, time: 100 };
  const next = measure(speed, { doneBytes: 10, time: 200 });
  assertEquals(next, { bytesPerMs: 3, doneBytes: 10, time: 200 });
});

function meterOn(terminal: boolean, quiet = false) {
  const io = fakeIo({ isTerminalErr: terminal, columns: 60 });
  const clock = { ms: 0, now: () => clock.ms };
  return { io, clock, meter: startMeter(io, { quiet, clock }) };
}

Deno.test("startMeter: says nothing for half a second, then draws, then wipes", () => {
  const { io, clock, meter } = meterOn(true);
  meter.onProgress({ doneBytes: 1, totalBytes: 10 });
  clock.ms = 499;
  meter.onProgress({ doneBytes: 2, totalBytes: 10 });
  assertEquals(io.said.err, "");
  clock.ms = 600;
  meter.onProgress({ doneBytes: 3, totalBytes: 10 });
  assert(io.said.err.startsWith("\r 30%"));
  const drawn = io.said.err.length;
  meter.onProgress({ doneBytes: 4, totalBytes: 10 });
  assertEquals(io.said.err.length, drawn, "not again within 100 ms");
  meter.clear();
  assertEquals(io.said.err.slice(drawn), "\r\x1b[K");
  meter.clear();
  assertEquals(io.said.err.slice(drawn), "\r\x1b[K", "wiped once");
});

Deno.test("startMeter: silent with --quiet and where there is no terminal", () => {
  for (const { io, clock, meter } of [meterOn(false), meterOn(true, true)]) {
    clock.ms = 5000;
    meter.onProgress({ doneBytes: 1, totalBytes: 10 });
    meter.clear();
    assertEquals(io.said.err, "");
  }
});
