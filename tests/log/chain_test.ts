import { assertEquals } from "@std/assert";
import { type RecordId, toHex } from "../../src/base/mod.ts";
import { checkFollows, type KnownLog, NO_RECORD } from "../../src/log/mod.ts";
import { idOf } from "./helpers.ts";

/** Ids of a log; `name` tells two logs apart. */
function idsOf(name: string, count: number): RecordId[] {
  return Array.from({ length: count }, (_, i) => idOf(`${name} ${i + 1}`));
}

/** A log of which these ids are known. It fails when asked for anything else. */
function known(ids: readonly RecordId[]): KnownLog {
  return {
    head: ids.length === 0 ? null : { sequence: BigInt(ids.length), id: ids.at(-1)! },
    idAt(sequence) {
      const id = ids[Number(sequence) - 1];
      if (id === undefined) throw new Error(`asked for ${sequence} of ${ids.length}`);
      return id;
    },
  };
}

/** The segment of a log's records `from` … `to`, counted from 1, both included. */
function segmentOf(ids: readonly RecordId[], { from, to }: { from: number; to: number }) {
  return {
    firstSequence: BigInt(from),
    previous: ids[from - 2] ?? NO_RECORD,
    ids: ids.slice(from - 1, to),
  };
}

const log = idsOf("log", 12);

Deno.test("checkFollows: the first segment of a log, and the next one", () => {
  assertEquals(checkFollows(known([]), segmentOf(log, { from: 1, to: 4 })), {
    kind: "ok",
    from: 0,
  });
  assertEquals(
    checkFollows(known(log.slice(0, 4)), segmentOf(log, { from: 5, to: 5 })),
    { kind: "ok", from: 0 },
  );
});

Deno.test("checkFollows: a gap names the first record that is missing", () => {
  assertEquals(
    checkFollows(known([]), segmentOf(log, { from: 2, to: 4 })),
    { kind: "gap", missingFrom: 1n },
  );
  assertEquals(
    checkFollows(known(log.slice(0, 4)), segmentOf(log, { from: 6, to: 8 })),
    { kind: "gap", missingFrom: 5n },
  );
});

Deno.test("checkFollows: for one log, every segment against every head", () => {
  for (let head = 0; head <= log.length; head++) {
    for (let from = 1; from <= log.length; from++) {
      for (let to = from; to <= log.length; to++) {
        assertEquals(
          checkFollows(known(log.slice(0, head)), segmentOf(log, { from, to })),
          from > head + 1
            ? { kind: "gap", missingFrom: BigInt(head + 1) }
            : to <= head
            ? { kind: "known" }
            : { kind: "ok", from: head + 1 - from },
        );
      }
    }
  }
});

Deno.test("checkFollows: for a log that was written twice, a fork wherever the two can be told apart", () => {
  const shared = 5;
  const other = [...log.slice(0, shared), ...idsOf("other", 7)];
  for (let head = 0; head <= log.length; head++) {
    for (let from = 1; from <= other.length; from++) {
      for (let to = from; to <= other.length; to++) {
        const answer = checkFollows(known(log.slice(0, head)), segmentOf(other, { from, to }));
        if (from > head + 1) {
          assertEquals(answer.kind, "gap");
        } else if (head <= shared || to <= shared) {
          assertEquals(answer.kind, to <= head ? "known" : "ok");
        } else {
          const sequence = BigInt(Math.max(shared + 1, from - 1));
          assertEquals(answer, { kind: "fork", sequence }, `${head} ${from} ${to}`);
        }
      }
    }
  }
});

Deno.test("checkFollows: a log that begins anew is a fork at its first record", () => {
  const answer = checkFollows(known(log), segmentOf(idsOf("other", 3), { from: 1, to: 3 }));
  assertEquals(answer, { kind: "fork", sequence: 1n });
  assertEquals(toHex(NO_RECORD), "00".repeat(32));
});
