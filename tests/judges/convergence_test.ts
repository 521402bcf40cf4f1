import { assert, assertEquals } from "@std/assert";
import {
  denoDisk,
  isVaultError,
  systemClock,
  systemRandom,
  systemTimers,
  toHex,
} from "../../src/base/mod.ts";
import { openPeers, type PeerMachine } from "../../src/daemon/peers.ts";
import { decodeSegment, isVersionRecord } from "../../src/log/mod.ts";
import { MemoryNetwork } from "../../src/net/mod.ts";
import type { Vault, VersionInfo } from "../../src/vault/mod.ts";
import { until } from "../peer/test_time.ts";
import { Dice, failure, homeWithVault, withVault } from "../vault/helpers.ts";
import {
  carryLogs,
  carryObjects,
  ownerNode,
  segmentsOf,
  type TestNode,
} from "../vault/peer_helpers.ts";
import {
  divergences,
  type NodeView,
  type RecordedVersion,
  type SeenVersion,
} from "./convergence.ts";

// The judge itself

function record(id: string, depth: number, parents: string[] = [], more = {}): RecordedVersion {
  return { id, key: "k", depth, clock: BigInt(depth), parents, op: "put", ...more };
}

function seen(id: string, version: number, more: Partial<SeenVersion> = {}): SeenVersion {
  return { id, version, op: "put", latest: false, conflict: false, ...more };
}

const LINE = [record("a", 1), record("b", 2, ["a"])];
const LINE_SEEN = [seen("a", 1), seen("b", 2, { latest: true })];
const FORK = [...LINE, record("c", 2, ["a"], { clock: 9n })];
const FORK_SEEN = [
  seen("a", 1),
  seen("b", 2, { conflict: true }),
  seen("c", 2, { conflict: true, latest: true }),
];
const DELETED = [record("a", 1), record("d", 2, ["a"], { op: "delete" })];

function view(records: RecordedVersion[], k: SeenVersion[], node = "n"): NodeView {
  return { node, records, histories: { k } };
}

Deno.test("divergences: none where nodes show what their records say", () => {
  const good: NodeView[][] = [
    [],
    [view([], [])],
    [view(LINE, LINE_SEEN), view([...LINE].reverse(), LINE_SEEN, "m")],
    [view(FORK, FORK_SEEN), view(LINE, LINE_SEEN, "one that lacks a record")],
    [view([...FORK, record("e", 3, ["c", "b"])], [
      ...[seen("a", 1), seen("b", 2), seen("c", 2), seen("e", 3, { latest: true })],
    ])],
    [view(DELETED, [seen("a", 1), seen("d", 2, { op: "delete", latest: true })])],
    // Of equal depth and clock the greater id.
    [view([record("a", 1), record("b", 1)], [
      ...[seen("a", 1, { conflict: true }), seen("b", 1, { conflict: true, latest: true })],
    ])],
    // A version whose parent is not here yet.
    [view([record("b", 2, ["a"])], [seen("b", 2, { latest: true })])],
  ];
  for (const views of good) assertEquals(divergences(views), []);
});

Deno.test("divergences: says what is wrong where they don't", () => {
  const bad: [problem: string, views: NodeView[]][] = [
    ["is lost", [view(LINE, [seen("a", 1, { latest: true })])]],
    ["has no record", [view(LINE, [...LINE_SEEN, seen("z", 3)])]],
    ["is shown twice", [view(LINE, [...LINE_SEEN, seen("a", 1)])]],
    ["is not shown as the latest", [view(LINE, [seen("a", 1, { latest: true }), seen("b", 2)])]],
    ["as the latest, not c", [view(FORK, [
      seen("a", 1),
      seen("b", 2, { conflict: true, latest: true }),
      seen("c", 2, { conflict: true }),
    ])]],
    ["is not marked as a conflict", [view(FORK, [
      ...[seen("a", 1), seen("b", 2, { conflict: true }), seen("c", 2, { latest: true })],
    ])]],
    ["is marked as a conflict", [view(LINE, [
      seen("a", 1, { conflict: true }),
      seen("b", 2, { latest: true }),
    ])]],
    ["before its parent", [view(LINE, [...LINE_SEEN].reverse())]],
    ["has number 3, not 2", [view(LINE, [seen("a", 1), seen("b", 3, { latest: true })])]],
    ["is shown as a put, but is a delete", [
      view(DELETED, [seen("a", 1), seen("d", 2, { latest: true })]),
    ]],
    ["not one deeper", [view([record("a", 1), record("b", 3, ["a"])], [
      ...[seen("a", 1), seen("b", 3, { latest: true })],
    ])]],
    ["show other histories", [
      view(FORK, FORK_SEEN),
      view(FORK, [FORK_SEEN[0]!, FORK_SEEN[2]!, FORK_SEEN[1]!], "m"),
    ]],
    ["show other histories", [
      view(LINE, LINE_SEEN),
      view(LINE, LINE_SEEN.map((each) => ({ ...each, size: 1 })), "m"),
    ]],
  ];
  for (const [problem, views] of bad) {
    const found = divergences(views);
    assert(found.some((each) => each.includes(problem)), `${problem}: ${found.join("; ")}`);
  }
});

// Recorded runs

const KEYS = ["a", "b/c", "d"];

/** For how long what nodes exchange is waited for: far longer than it ever takes. */
const ROUNDS = 30_000;

/** Puts, deletes and restores of a few keys. */
async function work(vault: Vault, dice: Dice, steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const key = dice.pick(KEYS);
    const roll = dice.below(10);
    try {
      if (roll < 6) await vault.put(key, dice.bytes(50));
      else if (roll < 8) await vault.delete(key);
      else await vault.restore(key, { kind: "number", number: 1 });
    } catch (error) {
      if (!isVaultError(error, "not_found")) throw error; // there may be nothing to delete or to restore
    }
  }
}

/** All that is shown of a version, as text would have it. */
function shown({ key: _, id, node, ...rest }: VersionInfo): SeenVersion {
  return { ...rest, id: toHex(id), node: toHex(node) } as SeenVersion;
}

/** What a node has and what it shows. */
async function viewOf(node: string, vault: Vault): Promise<NodeView> {
  const tags = new Map<string, string>();
  const histories: Record<string, SeenVersion[]> = {};
  for (const key of KEYS) {
    let versions: VersionInfo[] = [];
    try {
      versions = await vault.history(key);
    } catch (error) {
      if (isVaultError(error, "not_found")) continue;
      throw error;
    }
    histories[key] = versions.map(shown);
    for (const { id } of versions) tags.set(toHex(id), key);
  }
  const records: RecordedVersion[] = [];
  const keyOfTag = new Map<string, string>();
  const decoded = (await segmentsOf(vault)).map(({ bytes }) => decodeSegment(bytes));
  // A tag stands for one key: any version of it that is shown tells which.
  for (const { records: all, ids } of decoded) {
    all.forEach((each, i) => {
      const key = tags.get(toHex(ids[i]!));
      if (isVersionRecord(each) && key !== undefined) keyOfTag.set(toHex(each.keyTag), key);
    });
  }
  for (const { records: all, ids } of decoded) {
    all.forEach((each, i) => {
      if (!isVersionRecord(each)) return;
      const { depth, clock, parents, kind: op } = each;
      const tag = toHex(each.keyTag);
      const key = keyOfTag.get(tag) ?? tag;
      records.push({ id: toHex(ids[i]!), key, depth, clock, parents: parents.map(toHex), op });
    });
  }
  return { node, records, histories };
}

/** Three nodes of one vault. */
async function threeOwners(): Promise<AsyncDisposable & { nodes: TestNode[] }> {
  const { folder, vault, close } = await firstOwner();
  const others = [await ownerNode(vault), await ownerNode(vault)];
  const first: TestNode = { folder, vault, [Symbol.asyncDispose]: close };
  const nodes = [first, ...others];
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}

async function firstOwner() {
  const folder = await homeWithVault();
  const { promise, resolve } = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<Vault>();
  const done = withVault(folder, async (vault) => {
    opened.resolve(vault);
    await promise;
  });
  const close = async () => {
    resolve();
    await done;
    folder[Symbol.dispose]();
  };
  return { folder, vault: await opened.promise, close };
}

function conflicts(views: readonly NodeView[]): number {
  return views.flatMap(({ histories }) => Object.values(histories).flat())
    .filter(({ conflict }) => conflict).length;
}

async function judge(nodes: readonly TestNode[]): Promise<NodeView[]> {
  const views = await Promise.all(nodes.map(({ vault }, i) => viewOf(`node ${i}`, vault)));
  assertEquals(divergences(views), []);
  return views;
}

/** All that one node has goes to another: a restore there needs what the version does. */
async function carry(from: TestNode, to: TestNode): Promise<void> {
  await carryObjects(from.vault, to.vault);
  await carryLogs(from.vault, to.vault);
}

Deno.test("Vault: nodes that carry their logs by hand show what their records say, and converge", async () => {
  for (let seed = 0; seed < 3; seed++) {
    await using owners = await threeOwners();
    const { nodes } = owners;
    const dice = new Dice(seed);
    let conflicted = 0;
    for (let round = 0; round < 3; round++) {
      await Promise.all(nodes.map(({ vault }) => work(vault, new Dice(dice.next()), 4)));
      const [from, to] = [dice.pick(nodes), dice.pick(nodes)];
      await carry(from, to);
      conflicted += conflicts(await judge(nodes));
    }
    for (const from of nodes) for (const to of nodes) await carry(from, to);
    const views = await judge(nodes);
    const ids = views.map(({ records }) => records.map(({ id }) => id).sort().join());
    assertEquals(new Set(ids).size, 1, "the nodes have not the same records");
    assert(conflicted + conflicts(views) > 0, "no conflict ever came");
  }
});

Deno.test("Peers: vaults that exchange their records over a network converge", async () => {
  const network = new MemoryNetwork({ timers: systemTimers });
  await using owners = await threeOwners();
  const { nodes } = owners;
  const dice = new Dice(11);
  // Before they know of each other, so that there are conflicts.
  await Promise.all(nodes.map(({ vault }) => work(vault, new Dice(dice.next()), 5)));
  const machine = (name: string): PeerMachine => ({
    transport: network.host(name),
    ...{ clock: systemClock, timers: systemTimers, random: systemRandom, disk: denoDisk },
    makeCredentials: () =>
      Promise.resolve({
        certificate: new TextEncoder().encode(name),
        privateKey: new TextEncoder().encode(`key of ${name}`),
      }),
    hostName: () => name,
    interfaceAddresses: () => [],
  });
  const peers = await Promise.all(
    nodes.map(({ vault }, i) => openPeers(vault, {}, machine(`n${i}`))),
  );
  try {
    const start = { host: "any", port: 1, peers: [], lan: false };
    await peers[0]!.start({ ...start, advertise: "n0:1" });
    const token = await peers[0]!.invite({});
    for (const i of [1, 2]) {
      await peers[i]!.join(token);
      await peers[i]!.start({ ...start, advertise: `n${i}:1` });
    }
    const heads = (vault: Vault) =>
      JSON.stringify(
        vault.peerSide().ledger.heads().map(({ node, last, digest }) => [
          toHex(node),
          String(last),
          toHex(digest),
        ]).sort(),
      );
    const areEqual = () => new Set(nodes.map(({ vault }) => heads(vault))).size === 1;
    await until(areEqual, "the same records everywhere", ROUNDS);
    assert(conflicts(await judge(nodes)) > 0, "no conflict ever came");
    await Promise.all(nodes.map(({ vault }) => work(vault, new Dice(dice.next()), 6)));
    await judge(nodes);
    await until(areEqual, "the same records everywhere", ROUNDS);
    const views = await judge(nodes);
    assertEquals(views[0]!.records.length, views[1]!.records.length);
    await failure("not_found", () => nodes[0]!.vault.history("never put"));
  } finally {
    for (const each of peers) await each.stop();
  }
});
