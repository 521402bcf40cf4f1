/**
 * Objects on their way into the store: each comes only once at a time, whoever wants it, and many share one flush.
 *
 * @module
 */

import { type Address, type Bytes, COPY_FLUSH_MS, freeBytes, VaultError } from "../base/mod.ts";
import type { WireKind } from "../net/mod.ts";
import type { ObjectKind } from "../store/mod.ts";
import { keyOf } from "./address_map.ts";
import type { ObjectStore } from "./ports.ts";
import type { Tasks } from "./tasks.ts";

/** As what a peer's object is stored: sealed bytes of unknown origin stand apart from those we have sealed. */
function storedKind(kind: WireKind): ObjectKind {
  return kind === "sealed" ? "held" : kind;
}

/** As what a stored object travels. */
export function wireKind(kind: ObjectKind): WireKind {
  return kind === "held" ? "sealed" : kind;
}

/** The door of the store for what comes from peers. Bytes that pass it have been checked. */
export class Incoming {
  readonly #store: Pick<ObjectStore, "put" | "stat" | "flush" | "isDurable">;
  readonly #coming = new Map<string, Promise<boolean>>();
  #isFlushPlanned = false;
  #flushing: Promise<void> | null = null;
  #nextFlush: Promise<void> | null = null;

  readonly #room: () => number;

  /** @param room how many bytes of others' objects may still come in */
  constructor(
    store: Pick<ObjectStore, "put" | "stat" | "flush" | "isDurable">,
    room: () => number = () => Infinity,
  ) {
    this.#store = store;
    this.#room = room;
  }

  /** Whether there is room for so many bytes more. */
  hasRoom(bytes: number): boolean {
    return bytes <= this.#room();
  }

  /** Whether an object is being fetched. */
  isComing(address: Address): boolean {
    return this.#coming.has(keyOf(address));
  }

  /**
   * Makes sure that an object is in the store, fetching it unless it is there or on its way already. It is durable
   * after {@link Incoming.flush}.
   *
   * @param fetch gives its checked bytes, `null` if they can't be had
   * @returns whether it is there
   */
  async receive(
    address: Address,
    fetch: () => Promise<{ kind: WireKind; bytes: Bytes } | null>,
  ): Promise<boolean> {
    const key = keyOf(address);
    for (;;) {
      if (this.#store.stat(address) !== null) return true;
      const coming = this.#coming.get(key);
      if (coming === undefined) break;
      // Someone else's way of getting it may fail where ours does not.
      if (await coming.catch(() => false)) return true;
    }
    const arriving = this.#receive(address, fetch).finally(() => this.#coming.delete(key));
    this.#coming.set(key, arriving);
    return await arriving;
  }

  async #receive(
    address: Address,
    fetch: () => Promise<{ kind: WireKind; bytes: Bytes } | null>,
  ): Promise<boolean> {
    const object = await fetch();
    if (object === null) return false;
    await this.put(address, object);
    return true;
  }

  /**
   * Stores checked bytes, which can't be used any more then if they have a buffer of their own.
   *
   * @throws VaultError `no_space` if this node holds as much as it was given room for
   */
  async put(address: Address, { kind, bytes }: { kind: WireKind; bytes: Bytes }): Promise<void> {
    if (kind === "sealed" && !this.hasRoom(bytes.length)) {
      throw new VaultError(
        "no_space",
        "Cannot hold an object: this node holds as much as it was given room for",
        { hint: "give it more with `serve --capacity`, or add a node" },
      );
    }
    await this.#store.put({ kind: storedKind(kind), address, pieces: [bytes] });
    freeBytes(bytes);
  }

  /**
   * Stores a copy of checked bytes that someone else goes on using; durable some time later. That it can't be stored is
   * not the concern of who wanted to read it.
   */
  async keepCopy(
    address: Address,
    { kind, bytes }: { kind: WireKind; bytes: Bytes },
    tasks: Tasks,
  ): Promise<void> {
    if (kind === "sealed" && !this.hasRoom(bytes.length)) return;
    try {
      await this.#store.put({ kind: storedKind(kind), address, pieces: [bytes] });
    } catch {
      return;
    }
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    tasks.after(COPY_FLUSH_MS, "make objects durable", async () => {
      this.#isFlushPlanned = false;
      await this.flush();
    });
  }

  /** Returns once all that is in the store is durable. Calls that come while one runs share the next one. */
  flush(): Promise<void> {
    return this.#nextFlush ??= this.#flushAfter(this.#flushing);
  }

  async #flushAfter(running: Promise<void> | null): Promise<void> {
    // Without one that runs, whoever calls in the same turn goes along.
    await running?.catch(() => {});
    this.#flushing = this.#nextFlush;
    this.#nextFlush = null;
    await this.#store.flush();
  }
}
