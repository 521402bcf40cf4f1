/**
 * The oracle remembers what was acknowledged, and what was done to the disks since, and so knows what must be there.
 *
 * What is promised of a version that node X acknowledged with c copies (1 if none were asked for): it is there as long as
 * X's disk has lost nothing since, or fewer than c - 1 others have (c copies are on X and c - 1 others); so it is of one
 * that X was asked to store though it was the newest already, which X then has as well. Once all is
 * healed it has R copies and survives any R - 1 losses. A disk loses something when it is replaced, set back to a backup or
 * rots; whoever lies counts as one that has lost everything. At most R - 1 nodes lose anything between two healings.
 * A prune, a purge, and an eviction by who did not know the version yet, take it away by what they are. When the word is
 * given, as many disks have it as it says.
 *
 * A letter comes to whom it is for, once at most as long as that node runs, and after those that were sent before it.
 *
 * @module
 */

import { type Address, toHex } from "../../src/base/mod.ts";
import type { VersionInfo } from "../../src/vault/mod.ts";
import { numberOf } from "./contents.ts";
import { readVersion } from "./clients.ts";
import type { Life } from "./life.ts";
import type { SimNode } from "./node.ts";

/** A version that somebody was told is stored. */
export interface Acknowledged {
  readonly key: string;
  /** In hex. */
  readonly id: string;
  readonly op: "put" | "delete" | "restore";
  /** Of the content; `null` if there is none, or nobody knows which. */
  readonly number: number | null;
  readonly copies: number;
}

/** What a node said when it told that a version is stored. */
interface Promised {
  readonly node: SimNode;
  readonly copies: number;
  /** Nodes whose disks have lost something since. */
  readonly lostAt: Set<SimNode>;
}

interface Remembered extends Omit<Acknowledged, "copies"> {
  readonly vault: string;
  /** Id of the node that wrote it, in hex. */
  readonly author: string;
  /** By whoever told of it, the first one and those who were asked to store the same again. */
  readonly promises: Promised[];
}

/** Which vault a node's clients use: the owners have one together, every other node has its own. */
export function vaultOf(node: SimNode): string {
  return node.isOwner ? "owners" : `${node.name}${node.generation}`;
}

/** See the module. */
export class Oracle {
  readonly #tell: (problem: string) => void;
  readonly #versions = new Map<string, Remembered>();
  /** Versions that a later one of their key, `by`, is known to follow; by vault and key. */
  readonly #superseded = new Map<string, { by: string; ids: Set<string> }[]>();
  readonly #dropped = new Set<string>();
  /** The segment that a version stands in, and what it needs that none before it did; by its id in hex. */
  readonly #written = new Map<string, readonly Address[]>();
  readonly #letters: { from: SimNode; to: SimNode | "all" }[] = [];
  /** The last letter of each sender that a running program told of. */
  readonly #heard = new Map<Life, Map<SimNode, number>>();
  readonly #nodes: () => readonly SimNode[];
  readonly #orphans: { node: SimNode; address: Address; generation: number }[] = [];
  readonly #atWord = new Map<SimNode, { copiesMin: number; act: () => void }>();
  readonly #puts: { vault: string; key: string; length: number }[] = [];
  /** Nodes whose disks have lost something since all was healed, and those that lie. */
  readonly lost = new Set<SimNode>();
  /** Whether a disk has lost something since, rather than that somebody lies about it. */
  #lacking = false;

  constructor(tell: (problem: string) => void, nodes: () => readonly SimNode[]) {
    this.#tell = tell;
    this.#nodes = nodes;
  }

  get acknowledgements(): number {
    return this.#versions.size;
  }

  /** The number of a put that is about to be tried. */
  attemptPut(node: SimNode, { key, length }: { key: string; length: number }): number {
    return this.#puts.push({ vault: vaultOf(node), key, length }) - 1;
  }

  /** How long what was put was made to be. */
  lengthOf(number: number): number {
    return this.#puts[number]!.length;
  }

  /** A client was told that a version is stored; `before` is what it saw of the key when it asked. */
  acknowledge(node: SimNode, { before, ...told }: Acknowledged & { before: VersionInfo[] }): void {
    const vault = vaultOf(node);
    this.#checkCopies(node, told);
    const there = before.find(({ id }) => toHex(id) === told.id);
    // A restore of what is the newest already does nothing.
    if (there === undefined || told.op !== "restore") {
      const author = toHex(there?.node ?? node.id);
      const version = this.#versions.get(told.id) ?? { ...told, vault, author, promises: [] };
      this.#versions.set(told.id, version);
      version.promises.push({ node, copies: told.copies, lostAt: new Set(this.#liars()) });
    }
    const place = `${vault} ${told.key}`;
    const superseded = this.#superseded.get(place) ?? [];
    this.#superseded.set(place, superseded);
    const older = idsOf(before);
    // Nothing was done where nothing was to be done.
    if (!older.has(told.id)) superseded.push({ by: told.id, ids: older });
    const waiting = this.#atWord.get(node);
    if (waiting === undefined || told.copies < waiting.copiesMin) return;
    this.#atWord.delete(node);
    waiting.act();
  }

  /** A node wrote a version: the segment that it is in, and what it needs that its first parent did not. */
  noteWritten(id: string, addresses: readonly Address[]): void {
    // Of a log that forked, what comes back later may be of the other branch.
    if (!this.#written.has(id)) this.#written.set(id, addresses);
  }

  /** As many disks have it as was said, those of nodes that lie, have lost something or are down counted as if they had. */
  #checkCopies(by: SimNode, { key, id, op, copies }: Acknowledged): void {
    const addresses = this.#written.get(id);
    if (addresses === undefined || copies <= 1 || this.#dropped.has(id)) return;
    for (const address of addresses) {
      const holders = this.#nodes().filter((node) => {
        if (node.running === null || this.lost.has(node)) return true;
        return node.running.vault.peerSide().store.isDurable(address);
      });
      if (holders.length >= copies) continue;
      const where = holders.map(({ name }) => name).join(" ");
      this.#tell(
        `overcounted: ${op} ${
          id.slice(0, 8)
        } of ${key} at ${by.name}, acknowledged with ${copies} copies, ` +
          `has ${toHex(address).slice(0, 8)} on ${where}`,
      );
      return;
    }
  }

  /** A client is about to send a letter; its number is its text. */
  attemptLetter(from: SimNode, to: SimNode | "all"): number {
    return this.#letters.push({ from, to }) - 1;
  }

  /** A running program told of a letter. */
  checkLetter(node: SimNode, life: Life, text: string): void {
    const letter = this.#letters[Number(text)];
    const where = `letter ${text} at ${node.name}`;
    if (letter === undefined) return this.#tell(`${where} is one that nobody sent`);
    if (letter.to !== "all" && letter.to !== node) this.#tell(`${where} is for ${letter.to.name}`);
    const heard = this.#heard.get(life) ?? new Map<SimNode, number>();
    this.#heard.set(life, heard);
    const last = heard.get(letter.from) ?? -1;
    if (Number(text) <= last) this.#tell(`${where} came after ${last} of ${letter.from.name}`);
    heard.set(letter.from, Number(text));
  }

  /**
   * Does something at the moment when a node's client is told next that something is stored in as many copies; what it
   * returns calls it off.
   */
  atNextWord(node: SimNode, act: () => void, copiesMin = 1): () => void {
    this.#atWord.set(node, { copiesMin, act });
    return () => void this.#atWord.delete(node);
  }

  #liars(): SimNode[] {
    return [...this.lost].filter(({ isLiar }) => isLiar);
  }

  /** The number of a version's content, if it is known. */
  numberOf(id: string): number | null {
    return this.#versions.get(id)?.number ?? null;
  }

  /** A node holds an object that no record names. */
  noteOrphan(node: SimNode, address: Address): void {
    this.#orphans.push({ node, address, generation: node.generation });
  }

  /** What no record names yet stays while it is young, as a put may go on from it. No run takes a day. */
  checkOrphans(): void {
    for (const { node, address, generation } of this.#orphans) {
      if (node.running === null || node.generation !== generation) continue;
      if (node.clock.hasJumped || this.lost.has(node)) continue;
      if (node.running.vault.peerSide().store.stat(address) !== null) continue;
      this.#tell(`collected too early: orphan ${toHex(address).slice(0, 8)} at ${node.name}`);
    }
  }

  /** No node knows records that their node did not write: nothing forged was taken. */
  checkAuthors(nodes: readonly SimNode[], everybody: readonly SimNode[]): void {
    for (const node of nodes) {
      const { ledger } = node.running!.vault.peerSide();
      for (const { node: author } of ledger.heads()) {
        const writer = everybody.find(({ ids }) => ids.has(toHex(author)));
        for (const address of ledger.segmentAddresses(author)) {
          if (writer?.own.has(toHex(address))) continue;
          const name = writer?.name ?? "nobody";
          this.#tell(`forged: ${node.name} has records of ${name} that it did not write`);
        }
      }
    }
  }

  /** A prune or a purge took versions away, or may have. */
  dropped(ids: readonly string[]): void {
    for (const id of ids) this.#dropped.add(id);
  }

  /** A disk has lost something, or whoever has it lies about what is on it. */
  noteLoss(node: SimNode, { isLie }: { isLie: boolean }): void {
    this.lost.add(node);
    this.#lacking ||= !isLie;
    for (const { promises } of this.#versions.values()) {
      for (const { lostAt } of promises) lostAt.add(node);
    }
  }

  /** An eviction cut a log off where these versions of it are the last that count. */
  noteCut(node: SimNode, known: ReadonlySet<string>): void {
    for (const [id, { author }] of this.#versions) {
      if (node.ids.has(author) && !known.has(id)) this.#dropped.add(id);
    }
  }

  /** All versions that a node knows, in hex. */
  async knownAt(node: SimNode): Promise<Set<string>> {
    const ids = new Set<string>();
    for (const key of this.#keysOf(vaultOf(node))) {
      for (const id of idsOf(await historyOf(node, key))) ids.add(id);
    }
    return ids;
  }

  /** Whether a version must be there, whatever was done to disks. */
  #isPromised({ promises }: Remembered): boolean {
    return promises.some(({ node, copies, lostAt }) =>
      !lostAt.has(node) || lostAt.size - 1 < copies - 1
    );
  }

  /** Bytes that a client got must be those that were put. */
  checkRead(
    node: SimNode,
    { key, id, number }: { key: string; id: string; number: number | null },
  ): void {
    const where = `get of ${key} ${id.slice(0, 8)} at ${node.name}`;
    const put = number === null ? undefined : this.#puts[number];
    if (put === undefined) return this.#tell(`${where} gave bytes that nobody put`);
    if (put.vault !== vaultOf(node) || put.key !== key) {
      return this.#tell(`${where} gave put ${number}, which was to ${put.key} of ${put.vault}`);
    }
    const known = this.#versions.get(id);
    if (known !== undefined && known.number !== null && known.number !== number) {
      this.#tell(`${where} gave put ${number}, not ${known.number}`);
    }
  }

  /** What a node acknowledged itself it must know whenever it is up, unless its disk lost something. */
  async checkOwn(node: SimNode): Promise<void> {
    const histories = new Map<string, Set<string>>();
    for (const version of this.#versions.values()) {
      const { key, id, op, promises } = version;
      if (this.#dropped.has(id)) continue;
      if (!promises.some((by) => by.node === node && !by.lostAt.has(node))) continue;
      if (!histories.has(key)) histories.set(key, idsOf(await historyOf(node, key)));
      if (node.running === null) return;
      if (!histories.get(key)!.has(id)) {
        this.#tell(`${node.name} has forgotten ${op} ${id.slice(0, 8)} of ${key}`);
      }
    }
  }

  /** All owners' histories are the same, and nothing acknowledged is missing in them, nor back that was deleted. */
  async checkHistories(nodes: readonly SimNode[]): Promise<void> {
    const byVault = Map.groupBy(nodes, vaultOf);
    for (const [vault, readers] of byVault) {
      for (const key of this.#keysOf(vault)) {
        const histories = await Promise.all(readers.map((node) => historyOf(node, key)));
        const texts = histories.map((history) => JSON.stringify(history.map(plain)));
        texts.forEach((text, i) => {
          if (text !== texts[0]) {
            const [one, other] = [readers[0]!.name, readers[i]!.name];
            this.#tell(`histories of ${key} differ at ${one} and ${other}:\n${texts[0]}\n${text}`);
          }
        });
        this.#checkHistory(vault, key, histories[0]!);
      }
    }
  }

  #keysOf(vault: string): string[] {
    const keys = this.#puts.filter((put) => put.vault === vault).map(({ key }) => key);
    return [...new Set(keys)].sort();
  }

  #checkHistory(vault: string, key: string, history: readonly VersionInfo[]): void {
    const ids = idsOf(history);
    for (const version of this.#versions.values()) {
      if (version.vault !== vault || version.key !== key) continue;
      const { id, op, promises } = version;
      if (ids.has(id) || this.#dropped.has(id) || !this.#isPromised(version)) continue;
      const by = promises.map(({ node, copies }) => `${node.name} with ${copies} copies`).join(
        ", ",
      );
      this.#tell(`lost: ${op} ${id.slice(0, 8)} of ${key}, acknowledged by ${by}`);
    }
    const superseded = (this.#superseded.get(`${vault} ${key}`) ?? []).filter(({ by }) =>
      ids.has(by)
    );
    for (const { id, latest, conflict, op } of history) {
      if (!latest && !conflict) continue;
      if (!superseded.some((each) => each.ids.has(toHex(id)))) continue;
      this.#tell(`back again: ${op} ${toHex(id).slice(0, 8)} of ${key} is a head of it`);
    }
  }

  /** Every version that must be there reads back. @param excuses nodes whose unreplicated versions may be gone */
  async checkContents(nodes: readonly SimNode[]): Promise<void> {
    for (const [vault, readers] of Map.groupBy(nodes, vaultOf)) {
      let turn = 0;
      for (const key of this.#keysOf(vault)) {
        const history = await historyOf(readers[0]!, key);
        for (const version of history) {
          if (version.op === "delete") continue;
          const id = toHex(version.id);
          await this.#checkContent(readers[turn++ % readers.length]!, { key, id, version });
        }
      }
    }
  }

  async #checkContent(
    reader: SimNode,
    { key, id, version }: { key: string; id: string; version: VersionInfo },
  ): Promise<void> {
    const known = this.#versions.get(id);
    try {
      const content = await readVersion(reader.running!.vault, key, id);
      this.checkRead(reader, { key, id, number: numberOf(content) });
    } catch (error) {
      // What nobody acknowledged may have lost what it needs with its node.
      const isExcused = known === undefined
        ? [...this.lost].some((node) => node.ids.has(toHex(version.node)))
        : !this.#isPromised(known);
      if (isExcused || this.#needsLost(key)) return;
      this.#tell(
        `unreadable: ${version.op} ${id.slice(0, 8)} of ${key} at ${reader.name}: ${error}`,
      );
    }
  }

  /** Whether a version of the key may be gone, on whose chunks others may have built. */
  #needsLost(key: string): boolean {
    return [...this.#versions.values()].some((version) =>
      version.key === key && !this.#isPromised(version)
    );
  }

  /** Whether something that was acknowledged may be gone for good. */
  get mayLackObjects(): boolean {
    return this.#lacking;
  }
}

async function historyOf(node: SimNode, key: string): Promise<VersionInfo[]> {
  try {
    return await node.running!.vault.history(key);
  } catch (error) {
    if ((error as { code?: string }).code === "not_found") return [];
    throw error;
  }
}

function idsOf(history: readonly VersionInfo[]): Set<string> {
  return new Set(history.map(({ id }) => toHex(id)));
}

/** A version as text that is the same where it is the same. */
function plain(version: VersionInfo): unknown {
  return Object.fromEntries(
    Object.entries(version).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? toHex(value) : value,
    ]),
  );
}
