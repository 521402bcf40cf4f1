/**
 * Clients: on every node one that does what people do, at random, and tells the oracle what it was told.
 *
 * @module
 */

import { isVaultError, sha256, toHex } from "../../src/base/mod.ts";
import type { Vault, VersionInfo } from "../../src/vault/mod.ts";
import { Dice } from "../soak/dice.ts";
import { keyName, makeContent, numberOf } from "./contents.ts";
import { Killed } from "./life.ts";
import type { Running, SimNode } from "./node.ts";
import { vaultOf } from "./oracle.ts";
import type { World } from "./world.ts";

const KEYS = 6;
const SMALL_BYTES_MAX = 6000;
/** Some contents are several chunks. */
const LARGE_BYTES_MAX = 900_000;
const LARGE_SHARE = 0.03;
const COPIES_TIMEOUT_MS = 20_000;

/** What a client does, and how often in relation to the rest. */
const OPERATIONS: readonly [
  name: string,
  weight: number,
  act: (client: Client) => Promise<void>,
][] = [
  ["put", 10, (client) => client.put()],
  ["put again", 1, (client) => client.putAgain()],
  ["get", 6, (client) => client.get()],
  ["delete", 3, (client) => client.delete()],
  ["restore", 2, (client) => client.restore()],
  ["prune", 0.5, (client) => client.prune()],
  ["purge", 0.5, (client) => client.purge()],
  ["orphan", 0.5, (client) => client.orphan()],
  ["tag", 0.3, (client) => client.tag()],
  ["list", 0.5, (client) => client.list()],
  ["recover", 0.3, (client) => client.recover()],
  ["verify", 0.3, (client) => client.verify()],
  ["letter", 0.7, (client) => client.letter()],
];

/** One client of one node, as long as the world is in motion. */
export class Client {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #dice: Dice;
  #running!: Running;

  constructor(node: SimNode) {
    this.#world = node.world;
    this.#node = node;
    this.#dice = new Dice(node.world.dice.next());
  }

  async run(): Promise<void> {
    while (this.#world.isInMotion) {
      const { time, days, operations } = this.#world;
      await time.sleep(days.pauseMs(this.#dice, operations));
      const running = this.#node.running;
      if (running === null || !this.#world.isInMotion || this.#node.isEvicted) continue;
      this.#running = running;
      const [name, , act] = this.#choose();
      this.#world.operations++;
      await Promise.race([running.life.ended, this.#attempt(name, act)]);
    }
  }

  #choose() {
    const total = OPERATIONS.reduce((sum, [, weight]) => sum + weight, 0);
    let left = this.#dice.next() / 2 ** 32 * total;
    return OPERATIONS.find(([, weight]) => (left -= weight) < 0) ?? OPERATIONS[0]!;
  }

  /** What a vault refuses for a reason that it names is no failure of it; anything else is. */
  async #attempt(name: string, act: (client: Client) => Promise<void>): Promise<void> {
    try {
      await act(this);
    } catch (error) {
      if (!this.#isAlive || error instanceof Killed) return;
      if (isVaultError(error)) return this.#note(`${name}: ${error.code}, ${error.message}`);
      this.#world.onProblem(`${name} at ${this.#node.name} threw ${describe(error)}`);
    }
  }

  get #vault(): Vault {
    return this.#running.vault;
  }

  /** Nobody hears what a killed program says. */
  get #isAlive(): boolean {
    return this.#running.life.isAlive;
  }

  #note(text: string): void {
    this.#world.trace.note(this.#node.name, text);
  }

  #key(): string {
    return keyName(this.#dice.below(KEYS));
  }

  async #history(key: string): Promise<VersionInfo[]> {
    try {
      return await this.#vault.history(key);
    } catch (error) {
      if (isVaultError(error, "not_found")) return [];
      throw error;
    }
  }

  async put(): Promise<void> {
    const key = this.#key();
    const isLarge = this.#dice.chance(LARGE_SHARE);
    const length = this.#dice.below(isLarge ? LARGE_BYTES_MAX : SMALL_BYTES_MAX);
    const number = this.#world.oracle.attemptPut(this.#node, { key, length });
    await this.#store(key, number, await this.#history(key));
  }

  /** Stores what is the newest already: as a backup does, day after day. */
  async putAgain(): Promise<void> {
    const key = this.#key();
    const before = await this.#history(key);
    const latest = before.find(({ latest }) => latest);
    const number = latest === undefined ? null : this.#world.oracle.numberOf(toHex(latest.id));
    if (number !== null) await this.#store(key, number, before);
  }

  #copies(): { copies: number; copiesTimeoutMs: number } {
    const copies = this.#dice.chance(0.5) ? 1 + this.#dice.below(3) : 1;
    return { copies, copiesTimeoutMs: COPIES_TIMEOUT_MS };
  }

  async #store(key: string, number: number, before: VersionInfo[]): Promise<void> {
    const { oracle } = this.#world;
    const content = makeContent(number, oracle.lengthOf(number));
    const options = this.#copies();
    const { copies } = options;
    let acknowledged = copies;
    let id: string;
    try {
      const result = await this.#vault.put(key, content, options);
      id = toHex(result.id);
      acknowledged = result.copies;
    } catch (error) {
      if (!isVaultError(error, "too_few_peers")) throw error;
      return this.#note(`put ${number} to ${key}: too few peers for ${copies} copies`);
    }
    if (!this.#isAlive) return;
    this.#note(`put ${number} to ${key}: ${id.slice(0, 8)}, ${acknowledged} copies`);
    oracle.acknowledge(this.#node, { key, id, op: "put", number, copies: acknowledged, before });
  }

  async delete(): Promise<void> {
    const key = this.#key();
    const before = await this.#history(key);
    const { version } = await this.#vault.delete(key);
    if (!this.#isAlive) return;
    const id = toHex(version.id);
    this.#note(`delete ${key}: ${id.slice(0, 8)}`);
    this.#world.oracle.acknowledge(this.#node, {
      ...{ key, id, before, copies: 1, number: null },
      op: "delete",
    });
  }

  async restore(): Promise<void> {
    const key = this.#key();
    const before = await this.#history(key);
    const candidates = before.filter(({ op }) => op !== "delete");
    if (candidates.length === 0) return;
    const chosen = this.#dice.pick(candidates);
    const options = this.#copies();
    const { copies } = options;
    const select = { kind: "id", prefix: toHex(chosen.id) } as const;
    const version = await this.#vault.restore(key, select, options);
    if (!this.#isAlive) return;
    const id = toHex(version.id);
    this.#note(
      `restore ${key} from ${toHex(chosen.id).slice(0, 8)}: ${id.slice(0, 8)}, ${copies} copies`,
    );
    const number = this.#world.oracle.numberOf(toHex(chosen.id));
    this.#world.oracle.acknowledge(this.#node, {
      ...{ key, id, before, copies, number },
      op: "restore",
    });
  }

  async prune(): Promise<void> {
    const keepLast = 1 + this.#dice.below(3);
    await this.#expectDrops(null);
    this.#world.upheavals++;
    const { dropped } = await this.#vault.prune({ keepLast });
    if (!this.#isAlive) return;
    this.#world.upheavals++;
    this.#note(`prune to ${keepLast}: ${dropped.length} dropped`);
    this.#world.oracle.dropped(dropped.map(({ id }) => toHex(id)));
  }

  async purge(): Promise<void> {
    const key = this.#key();
    const before = await this.#history(key);
    await this.#expectDrops(key);
    this.#world.upheavals++;
    const { version } = await this.#vault.delete(key, { purge: true });
    if (!this.#isAlive) return;
    const id = toHex(version.id);
    this.#world.upheavals++;
    this.#note(`purge ${key}: ${id.slice(0, 8)}`);
    this.#world.oracle.acknowledge(this.#node, {
      ...{ key, id, before, copies: 1, number: null },
      op: "delete",
    });
  }

  /** Stores what no record names, as a put does that is interrupted. It is to stay for a day. */
  async orphan(): Promise<void> {
    const { store } = this.#vault.peerSide();
    const bytes = this.#dice.bytes(200);
    const address = sha256(bytes);
    await store.put({ kind: "sealed", address, pieces: [bytes] });
    await store.flush();
    if (!this.#isAlive || !store.isDurable(address)) return;
    this.#note(`orphan ${toHex(address).slice(0, 8)}`);
    this.#world.oracle.noteOrphan(this.#node, address);
  }

  /** Names this moment, or takes a name away. */
  async tag(): Promise<void> {
    const name = `tag ${this.#dice.below(KEYS)}`;
    const isThere = (await this.#vault.tags()).some((tag) => tag.name === name);
    if (isThere) await this.#vault.untag(name);
    else await this.#vault.tag(name);
    this.#note(`${isThere ? "untag" : "tag"} ${name}`);
  }

  /** What is listed of each key is what its history says, unless something comes between the two. */
  async list(): Promise<void> {
    const listed = await this.#list();
    const histories = new Map<string, string>();
    for (let i = 0; i < KEYS; i++) {
      const latest = (await this.#history(keyName(i))).find(({ latest }) => latest);
      if (latest !== undefined) histories.set(keyName(i), toHex(latest.id));
    }
    const after = await this.#list();
    for (const key of new Set([...listed.keys(), ...histories.keys()])) {
      if (listed.get(key) === histories.get(key) || listed.get(key) !== after.get(key)) continue;
      this.#world.onProblem(`${this.#node.name} lists another version of ${key} than the latest`);
    }
    this.#note(`list: ${listed.size} keys`);
  }

  /** The latest version of each key, in hex. */
  async #list(): Promise<Map<string, string>> {
    const listed = new Map<string, string>();
    for await (const { key, id } of this.#vault.list({ deleted: true })) {
      listed.set(key, toHex(id));
    }
    return listed;
  }

  /** Asks what a node stored, and has all that is here of all versions: as somebody does whose other machine is lost. */
  async recover(): Promise<void> {
    const owners = this.#world.nodes.filter((node) =>
      node.id.length > 0 && vaultOf(node) === vaultOf(this.#node)
    );
    const author = toHex(this.#dice.pick(owners).id);
    const versions = await this.#vault.versionsOfNode(author);
    for (const { key, node } of versions) {
      if (toHex(node) !== author) this.#world.onProblem(`${key} is not of the node that was asked`);
    }
    const { objects, missing } = await this.#vault.fetchAll();
    this.#note(`recover: ${versions.length} keys, ${objects} objects, ${missing} missing`);
  }

  /** Says something to one other member, or to all that are up. */
  async letter(): Promise<void> {
    const others = this.#world.members().filter((node) =>
      node !== this.#node && node.id.length > 0
    );
    if (others.length === 0) return;
    const to = this.#dice.chance(0.5) ? "all" : this.#dice.pick(others);
    const number = this.#world.oracle.attemptLetter(this.#node, to);
    const name = to === "all" ? to : to.name;
    this.#note(`letter ${number} to ${name}`);
    const { delivered } = await this.#running.peers.send(to === "all" ? to : to.id, String(number));
    if (!this.#isAlive) return;
    this.#note(`letter ${number} to ${name}: ${delivered} took it`);
  }

  async verify(): Promise<void> {
    const { checked, damaged, repaired } = await this.#vault.verify({ repair: true });
    this.#note(`verify: ${checked} objects, ${damaged} damaged, ${repaired} repaired`);
  }

  /** What a prune or purge may drop that is not heard of again: all of this vault, or all of one key, but for heads. */
  async #expectDrops(purged: string | null): Promise<void> {
    for (let i = 0; i < KEYS; i++) {
      const key = keyName(i);
      if (purged !== null && key !== purged) continue;
      const versions = await this.#history(key);
      const old = versions.filter(({ latest, conflict }) =>
        purged !== null || !(latest || conflict)
      );
      this.#world.oracle.dropped(old.map(({ id }) => toHex(id)));
    }
  }

  async get(): Promise<void> {
    const key = this.#key();
    const versions = (await this.#history(key)).filter(({ op }) => op !== "delete");
    if (versions.length === 0) return;
    const chosen = this.#dice.pick(versions);
    const content = await readVersion(this.#vault, key, toHex(chosen.id));
    if (!this.#isAlive) return;
    const number = numberOf(content);
    this.#note(`get ${key} ${toHex(chosen.id).slice(0, 8)}: ${number}`);
    this.#world.oracle.checkRead(this.#node, { key, id: toHex(chosen.id), number });
  }
}

/** All bytes of a version. */
export async function readVersion(vault: Vault, key: string, id: string): Promise<Uint8Array> {
  const { stream } = await vault.get(key, { select: { kind: "id", prefix: id } });
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of stream) {
    pieces.push(piece.slice());
    length += piece.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
