/**
 * The contract of a {@link Ledger}, as tests: what every index of the logs of many nodes has to answer, whatever it is
 * made of, and in whatever order the logs came in.
 *
 * @module
 */

import {
  type Bytes,
  ByteWriter,
  compareIds,
  Ed25519Signer,
  encodeUtf8,
  equalBytes,
  type NodeId,
  type RecordId,
  SEGMENT_RECORDS_MAX,
  sha256,
  toHex,
} from "../base/mod.ts";
import { NO_RECORD, packEntries, SegmentBuilder } from "../log/mod.ts";
import type { EnteredSegment, Ledger } from "../peer/mod.ts";
import { must, mustEqual, type Tester, withMade } from "./tester.ts";

/** A ledger that was made for one test, and knows no log of the nodes that the suite makes up. */
export interface LedgerUnderTest {
  /** The ledger. */
  readonly ledger: Ledger;
  /** Closes it and opens it again. Left out for what lives as long as its process. */
  reopen?(): Promise<Ledger>;
  /** Ends it. */
  close(): Promise<void>;
}

/** How to run {@link ledgerConformance}. */
export interface LedgerConformance {
  /** Stands before each test's name. */
  readonly name: string;
  /** Makes an empty ledger. */
  readonly make: () => Promise<LedgerUnderTest>;
}

/** A segment as it comes in, and what is known of it. */
interface Made {
  address: Bytes;
  bytes: Bytes;
  first: bigint;
  ids: readonly RecordId[];
}

/** Who writes logs in these tests, in vaults of their own. */
interface Author {
  node: NodeId;
  vault: Bytes;
  segment(records: number, after: Made | null, salt?: string): Made;
}

function author(name: string): Author {
  const signers = {
    node: new Ed25519Signer(sha256(encodeUtf8(`node ${name}`))),
    vault: new Ed25519Signer(sha256(encodeUtf8(`vault ${name}`))),
  };
  return {
    node: sha256(signers.node.publicKey),
    vault: sha256(signers.vault.publicKey),
    segment(records, after, salt = "") {
      const first = after === null ? 1n : lastOf(after) + 1n;
      const builder = new SegmentBuilder({
        vaultKey: signers.vault.publicKey,
        nodeKey: signers.node.publicKey,
        firstSequence: first,
        previous: after?.ids.at(-1) ?? NO_RECORD,
        sealedBodies: encodeUtf8(`bodies ${name} ${first} ${salt}`),
      });
      for (let i = 0; i < records; i++) {
        builder.add({
          kind: "put",
          clock: (first + BigInt(i)) << 16n,
          keyTag: sha256(encodeUtf8(`key ${name} ${first} ${i} ${salt}`)).slice(0, 16),
          depth: 1,
          parents: [],
          inventory: { entries: packEntries([neededBy(name, first + BigInt(i), salt)]) },
        });
      }
      const { bytes, address, ids } = builder.finish(signers);
      return { address, bytes, first, ids };
    },
  };
}

/** What the put with this number needs. */
function neededBy(name: string, sequence: bigint, salt = "") {
  return { address: sha256(encodeUtf8(`object ${name} ${sequence} ${salt}`)), length: 100 };
}

/** Segments one after the other, with so many records each. */
function chain(by: Author, ...counts: number[]): Made[] {
  const made: Made[] = [];
  for (const count of counts) made.push(by.segment(count, made.at(-1) ?? null));
  return made;
}

function lastOf({ first, ids }: Made): bigint {
  return first + BigInt(ids.length) - 1n;
}

/** XOR of addresses: what a head's digest is. */
function digestOf(segments: readonly Made[]): Bytes {
  const digest = new Uint8Array(32);
  for (const { address } of segments) address.forEach((byte, i) => digest[i]! ^= byte);
  return digest;
}

/** Orders in which a few things can come. */
function orders<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) =>
    orders([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest])
  );
}

/** What a ledger says of everything that must not hang on the order in which it came. */
function answers(ledger: Ledger): unknown {
  return {
    digest: ledger.headsDigest(),
    forks: ledger.forks().map(({ node, sequence }) => [toHex(node), sequence]).sort(),
    logs: ledger.heads().map(({ node, last, digest }) => ({
      ...{ node, last, digest },
      ids: Array.from({ length: Number(last) }, (_, i) => ledger.idAt(node, BigInt(i + 1))),
      segments: ledger.segmentAddresses(node),
    })),
    live: liveOf(ledger),
  };
}

function liveOf(ledger: Ledger): { public: string[]; sealed: string[] } {
  const found = { public: new Set<string>(), sealed: new Set<string>() };
  for (const { entries, isPublic } of ledger.live()) {
    for (const { address } of entries) found[isPublic ? "public" : "sealed"].add(toHex(address));
  }
  return { public: [...found.public].sort(), sealed: [...found.sealed].sort() };
}

async function enterEach(ledger: Ledger, segments: readonly Made[]): Promise<void> {
  for (const segment of segments) await ledger.enter([segment]);
}

/** Runs the contract over a kind of ledger. */
export function ledgerConformance(tester: Tester, options: LedgerConformance): void {
  const check = withMade(tester, options);
  whatIsKnown(check);
  whateverOrder(check, options);
  whoIsTold(check);

  check("what was entered is there after it is opened again", async ({ ledger, reopen }) => {
    if (reopen === undefined) return;
    await ledger.enter(chain(author("a"), 2, 3));
    await enterEach(ledger, chain(author("b"), 1, 1).reverse());
    const before = answers(ledger);
    mustEqual(answers(await reopen()), before, "its answers");
  });
}

type Check = (behaviour: string, work: (made: LedgerUnderTest) => Promise<void>) => void;

function whatIsKnown(check: Check): void {
  check("of a log that is not known there is nothing", async ({ ledger }) => {
    const { node } = author("a");
    mustEqual([ledger.heads(), ledger.head(node)], [[], null], "heads");
    mustEqual(ledger.headsDigest(), sha256(), "the digest of no heads");
    mustEqual([ledger.idAt(node, 1n), ledger.forks()], [null, []], "ids and forks");
    mustEqual([ledger.segmentsAfter(node, 0n, 9), ledger.segmentAddresses(node)], [[], []], "it");
    await ledger.enter([]);
    mustEqual(liveOf(ledger), { public: [], sealed: [] }, "what is live");
  });

  check("a log that came in is known to its last record", async ({ ledger }) => {
    const by = author("a");
    const segments = chain(by, 1, 3, 1);
    await ledger.enter(segments);
    const ids = segments.flatMap((segment) => segment.ids);
    const digest = digestOf(segments);
    mustEqual(ledger.heads(), [{ node: by.node, last: 5n, digest }], "heads");
    mustEqual(ledger.head(by.node), { node: by.node, last: 5n, digest }, "head");
    mustEqual(ids.map((_, i) => ledger.idAt(by.node, BigInt(i + 1))), ids, "ids");
    mustEqual([ledger.idAt(by.node, 0n), ledger.idAt(by.node, 6n)], [null, null], "ids beyond");
    mustEqual(
      ledger.segmentAddresses(by.node),
      segments.map(({ address }) => address).sort(compareIds),
      "addresses, ascending",
    );
    const head = new ByteWriter(72).raw(by.node).u64(5n).raw(digest).finish();
    mustEqual(ledger.headsDigest(), sha256(head), "the digest of the heads");
  });

  check("segments after a record are those that hold a later one", async ({ ledger }) => {
    const by = author("a");
    const segments = chain(by, 1, 3, 1);
    await ledger.enter(segments);
    const shown = segments.map(({ address, first, ids }) => ({
      address,
      first,
      count: ids.length,
    }));
    const after = (record: bigint, countMax = 100) =>
      ledger.segmentsAfter(by.node, record, countMax)
        .map(({ address, first, count }) => ({ address, first, count }));
    mustEqual(after(0n), shown, "after none");
    mustEqual(after(1n), shown.slice(1), "after the first");
    mustEqual(after(3n), shown.slice(1), "after one in the middle of a segment");
    mustEqual(after(4n), shown.slice(2), "after the last of a segment");
    mustEqual(after(5n), [], "after the last");
    mustEqual(after(0n, 2), shown.slice(0, 2), "at most two");
  });

  check("a segment that is known already changes nothing", async ({ ledger }) => {
    const segments = chain(author("a"), 2, 2);
    await ledger.enter(segments);
    const before = answers(ledger);
    await ledger.enter(segments);
    await Promise.all(segments.map((segment) => ledger.enter([segment])));
    mustEqual(answers(ledger), before, "its answers");
  });

  check("one segment that comes from several sides at once is entered once", async ({ ledger }) => {
    const by = author("a");
    const segments = chain(by, 2, 2);
    await Promise.all([segments, segments, segments].map((all) => ledger.enter(all)));
    mustEqual(ledger.head(by.node)?.digest, digestOf(segments), "the digest");
    mustEqual(ledger.segmentAddresses(by.node).length, 2, "segments");
  });

  check("a segment may hold as many records as any", async ({ ledger }) => {
    const by = author("a");
    const [segment] = chain(by, SEGMENT_RECORDS_MAX) as [Made];
    await ledger.enter([segment]);
    mustEqual(ledger.head(by.node)?.last, BigInt(SEGMENT_RECORDS_MAX), "the head");
    mustEqual(ledger.idAt(by.node, 777n), segment.ids[776], "an id in the middle");
    mustEqual(liveOf(ledger).sealed.length, SEGMENT_RECORDS_MAX, "objects that are live");
  });

  check("heads are in the order of their nodes", async ({ ledger }) => {
    const authors = ["a", "b", "c", "d", "e"].map(author);
    for (const by of authors) await ledger.enter(chain(by, 1));
    const nodes = authors.map(({ node }) => node).sort(compareIds);
    mustEqual(ledger.heads().map(({ node }) => node), nodes, "heads");
  });

  check("what puts need is live, and so are the segments", async ({ ledger }) => {
    const segments = chain(author("a"), 1, 2);
    await ledger.enter(segments);
    const needed = [1n, 2n, 3n].map((sequence) => toHex(neededBy("a", sequence).address)).sort();
    mustEqual(liveOf(ledger).sealed, needed, "objects of placement");
    const addresses = segments.map(({ address }) => toHex(address)).sort();
    mustEqual(liveOf(ledger).public, addresses, "objects of everybody");
  });
}

function whateverOrder(check: Check, { make }: LedgerConformance): void {
  check("the head stops before a gap, and goes on when that is filled", async ({ ledger }) => {
    const by = author("a");
    const [a, b, c, d] = chain(by, 1, 1, 2, 1) as [Made, Made, Made, Made];
    await ledger.enter([d]);
    mustEqual([ledger.head(by.node)?.last, ledger.idAt(by.node, 5n)], [0n, null], "the end alone");
    await ledger.enter([a]);
    mustEqual(ledger.head(by.node)?.last, 1n, "the beginning");
    await ledger.enter([c]);
    mustEqual(ledger.head(by.node)?.last, 1n, "all but one");
    await ledger.enter([b]);
    mustEqual(ledger.head(by.node)?.last, 5n, "all");
    mustEqual(ledger.idAt(by.node, 4n), c.ids[1], "an id behind the gap");
  });

  check("in whatever order segments come, the answers are the same", async ({ ledger }) => {
    const [first, second] = [chain(author("a"), 2, 1, 3), chain(author("b"), 1)];
    const segments = [...first, ...second];
    await ledger.enter(segments);
    const expected = answers(ledger);
    for (const order of orders(segments)) {
      await withAnother(make, async (other) => {
        await enterEach(other, order);
        mustEqual(answers(other), expected, "answers after another order");
      });
    }
  });

  check(
    "of a fork all is kept, it is told, and everybody follows one branch",
    async ({ ledger }) => {
      const by = author("a");
      const [root, long, end] = chain(by, 2, 1, 2) as [Made, Made, Made];
      const short = by.segment(2, root, "from an old copy");
      const segments = [root, long, end, short];
      await ledger.enter(segments);
      mustEqual(
        ledger.forks().map(({ node, sequence }) => [node, sequence]),
        [[by.node, 3n]],
        "forks, by the lowest number that two records have",
      );
      mustEqual(ledger.segmentAddresses(by.node).length, 4, "segments");
      mustEqual(ledger.head(by.node)?.last, 5n, "the head is the longest branch's");
      mustEqual(ledger.idAt(by.node, 3n), long.ids[0], "and so are the ids");
      mustEqual(ledger.head(by.node)?.digest, digestOf(segments), "the digest is of all");
      must(
        liveOf(ledger).sealed.includes(toHex(neededBy("a", 4n, "from an old copy").address)),
        "what the other branch needs is live",
      );
      const expected = answers(ledger);
      for (const order of orders(segments)) {
        await withAnother(make, async (other) => {
          await enterEach(other, order);
          mustEqual(answers(other), expected, "answers after another order");
        });
      }
    },
  );

  check("equal logs have equal digests, other logs have others", async ({ ledger }) => {
    const seen = new Set<string>([toHex(ledger.headsDigest())]);
    for (const by of ["a", "b"].map(author)) {
      for (const segment of chain(by, 1, 1, 1)) {
        await ledger.enter([segment]);
        seen.add(toHex(ledger.headsDigest()));
      }
    }
    mustEqual(seen.size, 7, "different digests of different sets");
  });
}

async function withAnother(
  make: () => Promise<LedgerUnderTest>,
  work: (ledger: Ledger) => Promise<void>,
): Promise<void> {
  const made = await make();
  try {
    await work(made.ledger);
  } finally {
    await made.close();
  }
}

function whoIsTold(check: Check): void {
  check("listeners hear of each segment once, until they leave", async ({ ledger }) => {
    const by = author("a");
    const heard: EnteredSegment[] = [];
    const leave = ledger.onEntered((segment) => heard.push(segment));
    const [a, b, c] = chain(by, 2, 1, 1) as [Made, Made, Made];
    await ledger.enter([a]);
    await ledger.enter([a, b]);
    leave();
    await ledger.enter([c]);
    mustEqual(
      heard.map(({ address, node, vault, first, records }) => ({
        ...{ address, node, vault, first, records: records.length },
      })),
      [a, b].map(({ address, first, ids }) => ({
        ...{ address, node: by.node, vault: by.vault, first, records: ids.length },
      })),
      "what was heard",
    );
    must(equalBytes(ledger.head(by.node)!.digest, digestOf([a, b, c])), "the third is there");
  });
}
