/**
 * Sending objects ahead: while a put runs, what it has sealed goes to those who will hold it, so that little is left to do
 * when its record is signed. What doesn't get through is asked for by `keep`, or by repair.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  freeBytes,
  lendBytes,
  type NodeId,
  PUSH_BYTES_IN_FLIGHT,
  PUSH_HELD_BYTES,
  PUSH_QUEUE_BYTES,
  PUSH_QUEUE_OBJECTS,
} from "../base/mod.ts";
import type { ObjectKind } from "../store/mod.ts";
import { keyOf } from "./address_map.ts";
import { Gate } from "./gate.ts";
import { wireKind } from "./incoming.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Placement } from "./placement.ts";
import type { ObjectStore } from "./ports.ts";
import type { Tasks } from "./tasks.ts";

/** Objects that travel to one peer at the same time. */
const OBJECTS_IN_FLIGHT = 32;

/** An object that others may want. */
export interface Offer {
  readonly kind: ObjectKind;
  readonly address: Address;
  /** Bytes. */
  readonly length: number;
  /** Its bytes, if they can be borrowed. */
  readonly pieces?: readonly Bytes[] | undefined;
}

/** The bytes of an object, borrowed, in two pieces. */
interface Borrowed {
  readonly head: Bytes;
  readonly bytes: Bytes;
  /** To be called once. `isUnused`: nobody will look at them any more. */
  end(how: { isUnused: boolean }): void;
}

/** What waits to be pushed. */
interface Queued extends Omit<Offer, "pieces"> {
  /** `null`: they have to be read. */
  readonly borrowed: Borrowed | null;
}

/** What is on its way to one peer. */
interface Line {
  readonly peer: MeshPeer;
  readonly gate: Gate;
  queue: Queued[];
  queueBytes: number;
  isAsking: boolean;
  /** What is queued or under way, with what to call when it is settled; by address. */
  readonly open: Map<string, (() => void)[]>;
}

/** What a {@link Pusher} works with. */
export interface PusherOptions {
  mesh: Mesh;
  placement: () => Placement;
  store: Pick<ObjectStore, "get">;
  tasks: Tasks;
}

/** Pushes what is offered. */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #lines = new Map<string, Line>();
  #heldBytes = 0;

  constructor(options: PusherOptions) {
    this.#options = options;
  }

  /** Puts an object on its way to the peers that will hold it. */
  offer(offer: Offer): void {
    const { mesh, placement } = this.#options;
    for (const peer of mesh.peers()) {
      if (offer.kind !== "public" && !placement().isHolder(peer.node, offer.address)) continue;
      const line = this.#lineTo(peer);
      if (line.open.has(keyOf(offer.address)) || !hasRoom(line, offer)) continue;
      line.open.set(keyOf(offer.address), []);
      const { pieces, ...queued } = offer;
      line.queue.push({ ...queued, borrowed: this.#borrow(pieces) });
      line.queueBytes += offer.length;
      this.#ask(line);
    }
  }

  /** Returns once none of these is on its way to a peer. */
  async settled(node: NodeId, addresses: readonly Address[]): Promise<void> {
    const line = this.#lines.get(keyOf(node));
    if (line === undefined) return;
    await Promise.all(addresses.map((address) => {
      const waiting = line.open.get(keyOf(address));
      return waiting === undefined ? undefined : new Promise<void>((done) => waiting.push(done));
    }));
  }

  /** What is on its way, or waits for it, to the peer for which that is the most. */
  get load(): { objects: number; queueBytes: number; bytesInFlight: number } {
    const most = { objects: 0, queueBytes: 0, bytesInFlight: 0 };
    for (const { open, queueBytes, gate } of this.#lines.values()) {
      most.objects = Math.max(most.objects, open.size);
      most.queueBytes = Math.max(most.queueBytes, queueBytes);
      most.bytesInFlight = Math.max(most.bytesInFlight, gate.load.bytes);
    }
    return most;
  }

  /** A session has ended: nothing goes that way any more. */
  forget(node: NodeId): void {
    const line = this.#lines.get(keyOf(node));
    if (line === undefined) return;
    this.#lines.delete(keyOf(node));
    for (const { borrowed } of line.queue.splice(0)) borrowed?.end({ isUnused: true });
    for (const key of [...line.open.keys()]) settle(line, key);
  }

  /** Borrows the bytes of an object, if it has two pieces and not too much is held already. */
  #borrow([head, bytes, ...more]: readonly Bytes[] = []): Borrowed | null {
    if (head === undefined || bytes === undefined || more.length > 0) return null;
    const length = head.length + bytes.length;
    if (this.#heldBytes + length > PUSH_HELD_BYTES) return null;
    this.#heldBytes += length;
    const loans = [lendBytes(head), lendBytes(bytes)];
    const end = ({ isUnused }: { isUnused: boolean }) => {
      this.#heldBytes -= length;
      // What a message that was called off midway is yet to send stays until nothing knows of it.
      if (isUnused) { for (const giveBack of loans) giveBack(); }
    };
    return { head, bytes, end };
  }

  #lineTo(peer: MeshPeer): Line {
    const key = keyOf(peer.node);
    let line = this.#lines.get(key);
    if (line === undefined) {
      const bounds = { countMax: OBJECTS_IN_FLIGHT, bytesMax: PUSH_BYTES_IN_FLIGHT };
      const gate = new Gate(() => bounds);
      line = { peer, gate, queue: [], queueBytes: 0, isAsking: false, open: new Map() };
      this.#lines.set(key, line);
    }
    return line;
  }

  /** Asks which of the queued objects are there already and sends the others; one question at a time. */
  #ask(line: Line): void {
    if (line.isAsking) return;
    line.isAsking = true;
    this.#options.tasks.start("push objects", async (signal) => {
      try {
        // Whatever is offered in the same turn goes into one question.
        await Promise.resolve();
        while (line.queue.length > 0) await this.#sendQueued(line, signal);
      } catch {
        this.forget(line.peer.node); // the session, or that peer's disk: `keep` will tell
      } finally {
        line.isAsking = false;
      }
    });
  }

  async #sendQueued(line: Line, signal: AbortSignal): Promise<void> {
    const offers = line.queue.splice(0);
    try {
      const addresses = offers.map(({ address }) => address);
      const ask = { addresses, heads: [] };
      const { held } = await line.peer.channel.request("have", ask, { signal });
      for (let i = 0; offers.length > 0; i++) {
        const offer = offers[0]!;
        line.queueBytes -= offer.length;
        if (held[i] || this.#lines.get(keyOf(line.peer.node)) !== line) {
          settle(line, keyOf(offer.address));
          offer.borrowed?.end({ isUnused: true });
        } else {
          const leave = await line.gate.enter(offer.length, signal);
          this.#sendInside(line, offer, leave);
        }
        offers.shift();
      }
    } finally {
      for (const { borrowed } of offers) borrowed?.end({ isUnused: true });
    }
  }

  #sendInside(line: Line, offer: Queued, leave: () => void): void {
    this.#options.tasks.start("push an object", async (signal) => {
      let isUnused = false;
      try {
        await this.#send(line, offer, signal);
        isUnused = true; // all of it has been sent, or there would be no answer
      } catch {
        // Refused or cut off: `keep` and repair go on from here.
      } finally {
        offer.borrowed?.end({ isUnused });
        leave();
        settle(line, keyOf(offer.address));
      }
    });
  }

  async #send(line: Line, offer: Queued, signal: AbortSignal): Promise<void> {
    const { address, borrowed } = offer;
    const kind = wireKind(offer.kind);
    const { channel } = line.peer;
    if (borrowed !== null) {
      const { head, bytes } = borrowed;
      await channel.request("push", { kind, address, head, bytes }, { signal });
      return;
    }
    const bytes = await this.#options.store.get(address);
    if (bytes === null) return;
    await channel.request("push", { kind, address, bytes }, { signal });
    freeBytes(bytes);
  }
}

function hasRoom(line: Line, { length }: Offer): boolean {
  return line.open.size < PUSH_QUEUE_OBJECTS && line.queueBytes + length <= PUSH_QUEUE_BYTES;
}

function settle(line: Line, key: string): void {
  const waiting = line.open.get(key);
  line.open.delete(key);
  for (const done of waiting ?? []) done();
}
