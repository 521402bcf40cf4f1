/** The suites themselves: each finds what is broken on purpose, and nothing in what is not. */

import { assert, assertEquals } from "@std/assert";
import type { Timers } from "../../src/base/mod.ts";
import {
  chunkStoreConformance,
  ledgerConformance,
  type Tester,
  transportConformance,
} from "../../src/conformance/mod.ts";
import { type Connection, MemoryNetwork, type Transport } from "../../src/net/mod.ts";
import { type ChunkStore, MemoryStore } from "../../src/store/mod.ts";
import { TestLedger, TestStore } from "../peer/doubles.ts";

/** Takes a suite's tests, and runs them without a runner: what fails, by name. */
class Collector implements Tester {
  readonly #tests: [name: string, run: () => Promise<void>][] = [];

  test(name: string, run: () => Promise<void>): void {
    this.#tests.push([name, run]);
  }

  async failures(only = ""): Promise<string[]> {
    const failed: string[] = [];
    for (const [name, run] of this.#tests.filter(([name]) => name.includes(only))) {
      try {
        await run();
      } catch {
        failed.push(name);
      }
    }
    return failed;
  }
}

/** Checks that the suite finds a fault. */
async function mustFind(what: string, suite: (tester: Tester) => void, only = ""): Promise<void> {
  const collector = new Collector();
  suite(collector);
  const failed = await collector.failures(only);
  assert(failed.length > 0, `a broken one passes: ${what}`);
  assert(
    failed.every((name) => name.startsWith("it: ")),
    "names begin with the name that was given",
  );
}

/** A store in memory with something wrong with it. */
type Fault = (inner: MemoryStore) => Partial<ChunkStore>;

const BROKEN_STORES: Record<string, Fault> = {
  "a second put says that it was new": (inner) => ({
    put: async (object) => {
      await inner.put(object);
      return true;
    },
  }),
  "pieces are kept": () => {
    const kept = new Map<string, readonly Uint8Array[]>();
    return {
      put: ({ address, pieces }) => {
        kept.set(String(address), pieces);
        return Promise.resolve(true);
      },
      get: (address) => {
        const pieces = kept.get(String(address));
        return Promise.resolve(
          pieces === undefined ? null : new Uint8Array(pieces.flatMap((p) => [...p])),
        );
      },
    };
  },
  "an empty object is none": (inner) => ({
    get: async (address) => {
      const bytes = await inner.get(address);
      return bytes?.length === 0 ? null : bytes;
    },
  }),
  "large objects are cut": (inner) => ({
    get: async (address) => (await inner.get(address))?.slice(0, 1_000_000) ?? null,
  }),
  "an unknown address throws": (inner) => ({
    get: async (address) => {
      const bytes = await inner.get(address);
      if (bytes === null) throw new Error("404");
      return bytes;
    },
  }),
  "removing does nothing": () => ({ remove: () => Promise.resolve() }),
  "the listing leaves one out": (inner) => ({
    list: async function* () {
      let isFirst = true;
      for await (const info of inner.list()) {
        if (!isFirst) yield info;
        isFirst = false;
      }
    },
  }),
};

function storeSuite(fault: Fault | null): (tester: Tester) => void {
  return (tester) =>
    chunkStoreConformance(tester, {
      name: "it",
      make: () => {
        const inner = new MemoryStore();
        const store: ChunkStore = {
          put: (object) => inner.put(object),
          get: (address) => inner.get(address),
          has: (address) => inner.has(address),
          remove: (addresses) => inner.remove(addresses),
          list: () => inner.list(),
          flush: () => inner.flush(),
          ...fault?.(inner),
        };
        return Promise.resolve({ store, close: () => Promise.resolve() });
      },
    });
}

Deno.test("chunkStoreConformance: finds broken stores, and nothing in a whole one", async () => {
  const whole = new Collector();
  storeSuite(null)(whole);
  assertEquals(await whole.failures(), []);
  for (const [what, fault] of Object.entries(BROKEN_STORES)) {
    await mustFind(what, storeSuite(fault));
  }
});

Deno.test("chunkStoreConformance: finds a store that forgets, that loses power badly, that does not check", async () => {
  const forgetful = (way: "reopen" | "crash") => (tester: Tester) =>
    chunkStoreConformance(tester, {
      name: "it",
      make: () =>
        Promise.resolve({
          store: new MemoryStore(),
          [way]: () => Promise.resolve(new MemoryStore()),
          close: () => Promise.resolve(),
        }),
    });
  await mustFind("nothing is kept", forgetful("reopen"), "opened again");
  await mustFind("a crash takes all", forgetful("crash"), "a crash keeps");
  await mustFind("reads are not checked", (tester) =>
    chunkStoreConformance(tester, {
      name: "it",
      make: () => Promise.resolve({ store: new MemoryStore(), close: () => Promise.resolve() }),
      checksReads: true,
    }));
});

const BROKEN_LEDGERS: Record<string, (ledger: TestLedger) => Partial<TestLedger>> = {
  "the head does not stop at a gap": (ledger) => ({
    head: (node) => {
      const head = ledger.head(node);
      const all = ledger.segmentsAfter(node, 0n, 1000);
      return head && { ...head, last: BigInt(all.reduce((sum, { count }) => sum + count, 0)) };
    },
  }),
  "no fork is ever told": () => ({ forks: () => [] }),
  "segments come without a bound": (ledger) => ({
    segmentsAfter: (node, after) => ledger.segmentsAfter(node, after, 1_000_000),
  }),
  "listeners stay": (ledger) => ({
    onEntered: (listener) => {
      ledger.onEntered(listener);
      return () => {};
    },
  }),
  "nothing is live": () => ({ live: function* () {} }),
  "the digest is of the newest alone": (ledger) => ({
    headsDigest: () => ledger.heads().at(-1)?.digest ?? new Uint8Array(32),
  }),
};

Deno.test("ledgerConformance: finds broken ledgers", async () => {
  for (const [what, fault] of Object.entries(BROKEN_LEDGERS)) {
    await mustFind(what, (tester) =>
      ledgerConformance(tester, {
        name: "it",
        make: () => {
          const ledger = new TestLedger(new TestStore());
          const broken = fault(ledger);
          const seen = new Proxy(ledger, {
            get: (of, name) => {
              const own = broken[name as keyof TestLedger] as unknown;
              const value = own ?? Reflect.get(of, name, of);
              return typeof value === "function" ? value.bind(of) : value;
            },
          });
          return Promise.resolve({ ledger: seen, close: () => Promise.resolve() });
        },
      }));
  }
});

const timers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

type ConnectionFault = (inner: Connection) => Partial<Connection>;

const BROKEN_TRANSPORTS: Record<string, [fault: ConnectionFault, only: string]> = {
  "bytes are changed": [(inner) => ({
    write: (bytes) => inner.write(bytes.map((byte) => byte === 77 ? 78 : byte)),
  }), "as they were written"],
  "what is lent is kept": [(inner) => ({
    write: (bytes) => {
      setTimeout(() => inner.write(bytes).catch(() => {}), 5);
      return Promise.resolve();
    },
  }), "overwritten afterwards"],
  "a writer never waits": [(inner) => ({
    write: (bytes) => {
      inner.write(bytes.slice()).catch(() => {});
      return Promise.resolve();
    },
  }), "a writer waits"],
  "close takes what is on its way": [
    (inner) => ({
      write: (bytes) => {
        const copy = bytes.slice();
        setTimeout(() => inner.write(copy).catch(() => {}), 5);
        return Promise.resolve();
      },
    }),
    "the last bytes before a close",
  ],
  "close may not be called again": [(inner) => {
    let isClosed = false;
    return {
      close: () => {
        if (isClosed) throw new Error("closed already");
        isClosed = true;
        inner.close();
      },
    };
  }, "may be called again"],
};

// Broken connections leave timers behind, which Deno 2.4 would count as leaks.
Deno.test("transportConformance: finds broken transports", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const credentials = [1, 2].map((byte) => ({
    certificate: Uint8Array.of(byte),
    privateKey: Uint8Array.of(byte),
  })) as [{ certificate: Uint8Array<ArrayBuffer>; privateKey: Uint8Array<ArrayBuffer> }, never];
  for (const [what, [fault, only]] of Object.entries(BROKEN_TRANSPORTS)) {
    await mustFind(what, (tester) =>
      transportConformance(tester, {
        name: "it",
        make: () => {
          const network = new MemoryNetwork({ timers });
          const good = network.host("a");
          const dialling: Transport = {
            listen: (at) => good.listen(at),
            probe: (address, options) => good.probe(address, options),
            dial: async (address, options) => {
              const inner = await good.dial(address, options);
              return {
                remote: inner.remote,
                read: (into) => inner.read(into),
                write: (bytes) => inner.write(bytes),
                close: () => inner.close(),
                ...fault(inner),
              };
            },
          };
          return Promise.resolve({
            listening: network.host("b"),
            dialling,
            at: { host: "b", port: 0 },
            reach: ({ port }) => `b:${port}`,
            credentials,
            close: () => Promise.resolve(),
          });
        },
      }), only);
  }
});
