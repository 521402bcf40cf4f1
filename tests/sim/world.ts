/**
 * One simulated world: a network of nodes, their clients, what befalls them, and who watches over it all.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { crc32, encodeUtf8 } from "../../src/base/mod.ts";
import type { NetworkEvent } from "../../src/daemon/types.ts";
import { Dice } from "../soak/dice.ts";
import { CONTENT_MARK, NAME_MARK } from "./contents.ts";
import { overLimits } from "./bounds.ts";
import { Days } from "./days.ts";
import type { Life } from "./life.ts";
import { SimNetwork, WINDOW_BYTES } from "./network.ts";
import { SimNode } from "./node.ts";
import { Oracle } from "./oracle.ts";
import { SimTime } from "./time.ts";
import { Trace } from "./trace.ts";

/** A start that failed is tried again after this long. */
const START_AGAIN_MS = 5000;
/** Open files of a node, and timers, beyond which something is not let go of. */
const OPEN_FILES_MAX = 200;
const TIMERS_MAX = 5000;
/** So much comes at once where many things are asked at once, and then it is looked how much that made. */
const MUCH_BYTES = 1000;

/** See the module. */
export class World {
  readonly dice: Dice;
  readonly time = new SimTime();
  readonly days: Days;
  readonly epochMs: number;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly oracle: Oracle;
  readonly nodes: SimNode[] = [];
  readonly problems: string[] = [];
  readonly replicas: number;
  /** Told of each node that is made. */
  onNode: (node: SimNode) => void = () => {};
  /** Whether clients and faults go on. */
  isInMotion = true;
  /** Until when, in virtual time, a clock was ahead that a record may have been made by. */
  aheadUntilMs = 0;
  operations = 0;
  /** How often something happened that takes objects away: prunes and purges, as they begin and end, and losses. */
  upheavals = 0;
  messages = 0;
  #taken = new Set<SimNode>();
  readonly #over = new Set<SimNode>();
  readonly #marks = [CONTENT_MARK, NAME_MARK].map((mark) => Buffer.from(encodeUtf8(mark)));

  constructor(seed: number) {
    this.dice = new Dice(seed);
    this.days = new Days(this.time, this.dice);
    this.epochMs = Date.UTC(2026, 0, 1) + this.dice.below(1e9);
    this.trace = new Trace(() => this.time.now());
    this.oracle = new Oracle((problem) => this.onProblem(problem), () => this.nodes);
    this.replicas = this.dice.chance(0.75) ? 3 : 2;
    this.network = new SimNetwork(
      this.time,
      new Dice(this.dice.next()),
      {
        sent: (from, to, bytes) => this.#onSent(from, to, bytes),
        readsOn: (host, bytes) => {
          if (bytes >= MUCH_BYTES) this.lookAtBounds(this.nodes.find(({ name }) => name === host)!);
        },
      },
    );
  }

  /** Makes a network of so many owners and storage-only nodes, all up. */
  async found({ owners, others }: { owners: number; others: number }): Promise<void> {
    const founder = this.addNode(true);
    await founder.start();
    for (let i = 1; i < owners + others; i++) {
      const node = this.addNode(i < owners);
      await node.start(await this.invite(founder, node.isOwner));
    }
  }

  /** A token of one node for another. */
  async invite(by: SimNode, asOwner: boolean): Promise<string> {
    const { vault, peers } = by.running!;
    const { masterKey } = vault.peerSide();
    return await peers.invite(asOwner ? { masterKey } : {});
  }

  /** Nodes that belong to the network. */
  members(): SimNode[] {
    return this.nodes.filter(({ isEvicted }) => !isEvicted);
  }

  /** A member that is up, for one fault at a time; `null` if there is none that is fit. */
  take(dice: Dice, isFit: (node: SimNode) => boolean = () => true): SimNode | null {
    const free = this.members().filter((node) =>
      node.isUp && !this.#taken.has(node) && isFit(node)
    );
    if (free.length === 0) return null;
    const node = dice.pick(free);
    this.#taken.add(node);
    return node;
  }

  /** Owners that are up, other than one. */
  owners(other?: SimNode): SimNode[] {
    return this.members().filter((node) => node.isUp && node.isOwner && node !== other);
  }

  /** One of {@link World.owners}, `null` if there is none. */
  anOwner(dice: Dice, other?: SimNode): SimNode | null {
    const owners = this.owners(other);
    return owners.length === 0 ? null : dice.pick(owners);
  }

  /** One more node, not started. */
  addNode(isOwner: boolean): SimNode {
    const node = new SimNode(
      this,
      String.fromCharCode(97 + this.nodes.length),
      isOwner,
      this.nodes.length === 0,
    );
    this.nodes.push(node);
    this.onNode(node);
    return node;
  }

  /** Keeps other faults away from a node. */
  own(node: SimNode): void {
    this.#taken.add(node);
  }

  letGo(node: SimNode): void {
    this.#taken.delete(node);
  }

  /** Whether a node's disk may lose something: at most R - 1 may, those that have already and liars among them. */
  mayLose(node: SimNode): boolean {
    const { lost } = this.oracle;
    const most = Math.min(this.replicas, this.members().length) - 1;
    return lost.has(node) || lost.size < most;
  }

  /** A clock goes ahead: what is stored by it is taken by others only once their time has come near. */
  noteAhead(ms: number): void {
    this.aheadUntilMs = Math.max(this.aheadUntilMs, this.time.now() + ms);
  }

  /** A disk will lose something. */
  reserve(node: SimNode): void {
    this.upheavals++;
    this.oracle.lost.add(node);
  }

  /** A disk is about to lose something. */
  lose(node: SimNode): void {
    this.upheavals++;
    this.oracle.noteLoss(node, { isLie: false });
  }

  /** A node is about to lie about what it has: nothing that it acknowledged counts. */
  distrust(node: SimNode): void {
    this.upheavals++;
    this.oracle.noteLoss(node, { isLie: true });
  }

  /** Starts a node until it is up, and looks whether it still knows what it has acknowledged. */
  async bringUp(node: SimNode, token?: string): Promise<void> {
    while (!node.isUp) {
      if (await node.startBeside(token)) break;
      await this.time.sleep(START_AGAIN_MS);
    }
    await this.oracle.checkOwn(node);
  }

  onStartFailed(node: SimNode, error: unknown): void {
    const isDiskAtFault = node.disk.faults.isFull || node.disk.faults.failingShare > 0;
    if (!isDiskAtFault) this.onProblem(`${node.name} can't start: ${describe(error)}`);
  }

  onProblem(problem: string): void {
    this.trace.note("ORACLE", problem);
    if (this.problems.length < 20) this.problems.push(problem);
  }

  onEvent(node: SimNode, event: NetworkEvent, life: Life): void {
    switch (event.kind) {
      case "message":
        this.trace.note(node.name, `reads letter ${event.text}`);
        return this.oracle.checkLetter(node, life, event.text);
      case "peer":
        return this.trace.note(node.name, `sees ${event.name} ${event.state}`);
      case "notice":
        return this.trace.note(node.name, event.text);
      case "refused":
        return this.trace.note(node.name, `refuses ${event.remote}: ${event.reason}`);
      case "fork":
        return this.trace.note(node.name, `sees a fork at ${event.sequence}`);
      default:
    }
  }

  #onSent(from: string, to: string, bytes: Uint8Array): void {
    this.messages++;
    this.trace.mix(from.charCodeAt(0), to.charCodeAt(0), bytes.length, crc32(bytes));
    this.#lookForMarks(() => `on the wire from ${from} to ${to}`, bytes);
  }

  /** Looks whether a node keeps to what it may have in memory. */
  lookAtBounds(node: SimNode): void {
    for (const text of overLimits(node)) {
      // Once it is over it stays so for a while.
      if (!this.#over.has(node)) this.onProblem(`over its bound: ${text} at ${node.name}`);
      this.#over.add(node);
    }
  }

  #lookForMarks(where: () => string, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const mark of this.#marks) {
      if (buffer.includes(mark)) this.onProblem(`in the clear ${where()}: ${mark.toString()}`);
    }
  }

  /** Looks for plaintext and names on all disks, and for whatever is held and not let go of. */
  checkBounds(): void {
    for (const node of this.nodes) {
      const { medium } = node.disk;
      for (const path of medium.paths()) {
        this.#lookForMarks(() => `in ${path}`, medium.bytesOf(path));
      }
      if (medium.openFiles > OPEN_FILES_MAX) {
        this.onProblem(`${node.name} has ${medium.openFiles} open files`);
      }
      if (node.pendingTimers > TIMERS_MAX) {
        this.onProblem(`${node.name} has set ${node.pendingTimers} timers`);
      }
    }
    const pairs = this.nodes.length * (this.nodes.length - 1) / 2;
    if (this.network.connections > 4 * pairs) {
      this.onProblem(`${this.network.connections} connections between ${pairs} pairs`);
    }
  }
}

export { WINDOW_BYTES };

/** An error with where it came from. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
