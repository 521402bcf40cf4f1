import { assert, assertEquals } from "@std/assert";
import {
  freeBytes,
  leaveCopy,
  leaveFiles,
  lendBytes,
  ownWhole,
  spareBuffer,
  takeBytes,
} from "../../src/base/mod.ts";

Deno.test("freeBytes: nobody can use what was freed, whoever has its memory since", () => {
  while (spareBuffer(256 * 1024) !== null);
  const bytes = ownWhole(new Uint8Array(new ArrayBuffer(300_000), 100, 299_000));
  const view = bytes.subarray(5);
  freeBytes(bytes);
  assertEquals([bytes.length, view.length], [0, 0]);
  const taken = takeBytes(290_000);
  assertEquals([taken.length, taken.buffer.byteLength], [290_000, 300_000]);
  taken.fill(7);
  freeBytes(taken); // though they do not fill it, they own it
  assertEquals(taken.length, 0);
  assert(spareBuffer(300_001) === null);
  assertEquals(spareBuffer(300_000)?.byteLength, 300_000);
  assert(spareBuffer(300_000) === null);
});

Deno.test("freeBytes: leaves a view of a larger buffer alone, and keeps only so many buffers", () => {
  const larger = new Uint8Array(400_000);
  freeBytes(larger.subarray(1));
  assertEquals(larger.length, 400_000);
  for (let i = 0; i < 100; i++) freeBytes(new Uint8Array(200_000));
  let kept = 0;
  while (spareBuffer(200_000) !== null) kept++;
  assert(kept > 0 && kept <= 8, `${kept} are kept`);
});

Deno.test("lendBytes: what is lent is freed when the last who borrowed it is done, if it is to be", () => {
  const bytes = new Uint8Array(200_000).fill(3);
  const ends = [lendBytes(bytes), lendBytes(bytes)];
  freeBytes(bytes);
  ends[0]!();
  assertEquals([bytes.length, bytes[199_999]], [200_000, 3]);
  ends[1]!();
  assertEquals(bytes.length, 0);
  const kept = new Uint8Array(200_000);
  lendBytes(kept)();
  assertEquals(kept.length, 200_000); // nobody has freed it
  freeBytes(kept);
  assertEquals(kept.length, 0);
  while (spareBuffer(200_000) !== null);
});

Deno.test("leaveCopy: the collector is sent for after each few MiB, where it can be", () => {
  const scope = globalThis as { gc?: (options: { type: string }) => void };
  const before = scope.gc;
  const sent: string[] = [];
  scope.gc = ({ type }) => void sent.push(type);
  try {
    leaveCopy(4 * 1024 * 1024); // whatever was left before
    sent.length = 0;
    for (let i = 0; i < 8; i++) leaveCopy(1024 * 1024);
    assertEquals(sent, ["minor", "minor"]);
    delete scope.gc;
    for (let i = 0; i < 8; i++) leaveCopy(1024 * 1024);
  } finally {
    if (before !== undefined) scope.gc = before;
  }
});

Deno.test("leaveFiles: the collector is sent for after each two thousand files, for what is old", () => {
  const scope = globalThis as { gc?: (options: { type: string }) => void };
  const before = scope.gc;
  const sent: string[] = [];
  scope.gc = ({ type }) => void sent.push(type);
  try {
    leaveFiles(2048); // whatever was left before
    sent.length = 0;
    for (let i = 0; i < 8; i++) leaveFiles(512);
    assertEquals(sent, ["major", "major"]);
  } finally {
    if (before === undefined) delete scope.gc;
    else scope.gc = before;
  }
});
