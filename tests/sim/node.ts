/**
 * One node: the real vault and the real peer layer, joined as the daemon joins them, on a machine that is simulated.
 *
 * @module
 */

import {
  encodeUtf8,
  isVaultError,
  type NodeId,
  type Random,
  sleep,
  toHex,
} from "../../src/base/mod.ts";
import { isVersionRecord } from "../../src/log/mod.ts";
import { openForNetwork } from "../../src/daemon/open_vault.ts";
import { openPeers, type Peers, type ServedVault } from "../../src/daemon/peers.ts";
import type { Machine, PeerSide, Vault } from "../../src/vault/mod.ts";
import { Dice } from "../soak/dice.ts";
import { SimDisk } from "./disk.ts";
import { IndexFile } from "./index_file.ts";
import { Killed, Life, SimClock } from "./life.ts";
import type { World } from "./world.ts";

const PORT = 4000;
/** Opening a vault and joining its network may take so long. */
const START_MS_MAX = 120_000;
/** A member counts as gone after this long. */
const DOWN_AFTER_MS = 60_000;
/** GiB: all nodes are as large. */
const CAPACITY_GIB = 100;

/** A program that runs. */
export interface Running {
  readonly life: Life;
  readonly vault: Vault;
  readonly peers: Peers;
}

/** One node, through all its lives. */
export class SimNode {
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly #dice: Dice;
  #running: Running | null = null;
  #life: Life | null = null;
  /** Changes what the peer layer gets to see of the vault: how a liar lies. */
  bend: (side: PeerSide) => PeerSide = (side) => side;
  isLiar = false;
  /** Where its index lies, if that outlives its program. */
  index: IndexFile | null = null;
  /** Whether it has been shut out. */
  isEvicted = false;
  /** Whether nobody has begun to shut it out. */
  isMember = true;
  /** Its id, from the first start on; another one if its disk was replaced. */
  id: NodeId = new Uint8Array();
  /** How often its disk was replaced: a storage-only node's vault is another one then. */
  generation = 0;
  /** Segments of its own log that it has written or found, in hex. */
  readonly own = new Set<string>();
  /** All ids that it has had, in hex. */
  readonly ids = new Set<string>();

  constructor(
    readonly world: World,
    readonly name: string,
    readonly isOwner: boolean,
    readonly isFounder: boolean,
  ) {
    this.#dice = new Dice(world.dice.next());
    this.clock = new SimClock(world.time, world.epochMs);
    this.disk = new SimDisk(new Dice(this.#dice.next()), () => this.clock.now());
  }

  /** Where others reach it. */
  get address(): string {
    return `${this.name}:${PORT}`;
  }

  get home(): string {
    return `/${this.name}`;
  }

  /** The program, if it is up. */
  get running(): Running | null {
    return this.#running;
  }

  get isUp(): boolean {
    return this.#running !== null;
  }

  /** Timers of its program that are set. */
  get pendingTimers(): number {
    return this.#life?.pending ?? 0;
  }

  /** Starts the program, with a token to join a network first. */
  async start(token?: string): Promise<Running> {
    const { world } = this;
    const life = this.#life = new Life(world.time);
    try {
      const running = await world.time.during(this.#open(life, token), START_MS_MAX);
      this.#enter(running);
      return running;
    } catch (error) {
      if (life.isAlive) this.#end(life);
      throw error;
    }
  }

  /** As {@link SimNode.start}, while other things go on. `false` if it was killed meanwhile or could not start. */
  async startBeside(token?: string): Promise<boolean> {
    const life = this.#life = new Life(this.world.time);
    try {
      const running = await this.#open(life, token);
      if (!life.isAlive) return false;
      this.#enter(running);
      return true;
    } catch (error) {
      if (!life.isAlive || error instanceof Killed) return false;
      this.#end(life);
      this.world.onStartFailed(this, error);
      return false;
    }
  }

  #enter(running: Running): void {
    this.#running = running;
    this.id = running.vault.peerSide().nodeId;
    this.ids.add(toHex(this.id));
    this.world.trace.note(this.name, `started, ${toHex(this.id).slice(0, 8)}`);
    const { ledger } = running.vault.peerSide();
    const { own } = this;
    for (const address of ledger.segmentAddresses(this.id)) own.add(toHex(address));
    ledger.onEntered(({ address, node, first, records }) => {
      if (!running.life.isAlive || !this.ids.has(toHex(node))) return;
      own.add(toHex(address));
      for (const [i, record] of records.entries()) {
        const id = ledger.idAt(node, first + BigInt(i));
        if (id === null || !isVersionRecord(record)) continue;
        // What lies in a list of its own is looked at when all is healed.
        const { inventory } = record;
        const entries = "entries" in inventory ? [...inventory.entries] : inventory.parts;
        const needs = entries.map(({ address }) => address.slice());
        this.world.oracle.noteWritten(toHex(id), [address, ...needs]);
      }
    });
  }

  async #open(life: Life, token?: string): Promise<Running> {
    this.world.network.speakAgain(this.name);
    const { world, name, home, clock } = this;
    const disk = this.disk.of(life);
    const random: Random = { bytes: (length) => this.#dice.bytes(length) };
    const machine: Machine = {
      disk,
      clock,
      random,
      lock: () => Promise.resolve({ release: () => {} }),
      indexPath: () => this.index?.begin() ?? ":memory:",
      hasThreads: false,
      pace: { steps: 2, others: () => sleep(life, 0) },
    };
    const vault = await openForNetwork({ home, machine }, token);
    const served: ServedVault = {
      home,
      peerSide: () => this.bend(vault.peerSide()),
      attach: (remote) => vault.attach(remote),
    };
    const options = {
      downAfterMs: DOWN_AFTER_MS,
      capacityGib: CAPACITY_GIB,
      ...(this.isFounder ? { replicas: world.replicas } : {}),
    };
    const peers = await openPeers(served, options, {
      ...{ disk, clock, random, timers: life },
      transport: world.network.of(name, life),
      makeCredentials: (seed) =>
        Promise.resolve({
          certificate: encodeUtf8(`certificate of ${toHex(seed).slice(0, 16)}`),
          privateKey: new Uint8Array(),
        }),
      hostName: () => name,
      interfaceAddresses: () => [],
    });
    if (token !== undefined) await peers.join(token);
    await peers.start({ host: name, port: PORT, peers: [], lan: false });
    this.#watch(peers, life);
    return { life, vault, peers };
  }

  #watch(peers: Peers, life: Life): void {
    const watching = async () => {
      for await (const event of peers.events(new AbortController().signal)) {
        if (!life.isAlive) return;
        this.world.onEvent(this, event, life);
      }
    };
    watching().catch((error) => this.world.onProblem(`events of ${this.name} ended: ${error}`));
  }

  #end(life: Life): void {
    life.kill();
    this.#running = null;
    this.world.network.crash(this.name);
  }

  /** Its disk is gone, and a new one in its place. */
  replaceDisk(): void {
    this.disk.restore(new Map());
    this.index?.lose();
    this.generation++;
  }

  /** As kill -9: what was written stays written. */
  kill(): void {
    if (this.#life?.isAlive) this.#end(this.#life);
    this.disk.medium.kill();
  }

  /** The power goes: of what was not synced nobody knows what stays. */
  cutPower(): void {
    if (this.#life?.isAlive) this.#end(this.#life);
    this.disk.cutPower();
    this.index?.cutPower(this.#dice);
  }

  /** As {@link SimNode.cutPower}; nobody hears of it: what others send goes nowhere, until it is up again. */
  cutPowerSilently(): void {
    this.world.network.fallSilent(this.name);
    this.cutPower();
  }

  /** Stops in good order, if that ends in time. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    try {
      await running.peers.stop();
      await running.vault.close();
    } catch (error) {
      if (running.life.isAlive && !isVaultError(error)) throw error;
    }
    if (running.life.isAlive) this.kill();
  }
}
