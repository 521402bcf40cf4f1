/**
 * What happens in the network, for whoever watches: `watch`, scripts, tests.
 *
 * @module
 */

import { EVENT_LISTENERS_MAX, EVENT_QUEUE_MAX, type NodeId, VaultError } from "../base/mod.ts";

/** Something that happened. Times are milliseconds since 1970. */
export type NetworkEvent =
  /** A letter came in. */
  | {
    readonly kind: "message";
    readonly from: NodeId;
    readonly to: NodeId | "all";
    readonly time: number;
    readonly text: string;
  }
  /** Records came in or were written here: `count` of one kind in one segment. */
  | {
    readonly kind: "put" | "delete" | "restore" | "prune" | "tag" | "untag";
    readonly node: NodeId;
    readonly time: number;
    readonly count: number;
  }
  /** A session began or ended, or a member was evicted. */
  | { readonly kind: "peer"; readonly node: NodeId; readonly state: "up" | "down" | "evicted" }
  /** How the background's work of healing stands. */
  | {
    readonly kind: "repair";
    /** Objects that placement gives this node and that it lacks, and their bytes. */
    readonly missing: number;
    readonly missingBytes: number;
    /** Objects that came since the last such event. */
    readonly healed: number;
  }
  /** Two records of one node have one number. */
  | { readonly kind: "fork"; readonly node: NodeId; readonly sequence: bigint }
  /** Somebody was not let in, or was sent away. */
  | {
    readonly kind: "refused";
    readonly remote: string;
    readonly node: NodeId | null;
    readonly reason: string;
  }
  /** Anything else that people should know. */
  | { readonly kind: "notice"; readonly text: string }
  /** So many events went past this listener, as it took too long. */
  | { readonly kind: "dropped"; readonly count: number };

/** One that listens. */
interface Listener<E> {
  queue: E[];
  dropped: number;
  wake: () => void;
}

/** Hands events to listeners; the slow ones lose the oldest, and are told how many. */
export class EventBus<E extends { kind: string } = NetworkEvent> {
  readonly #listeners = new Set<Listener<E>>();

  /** Tells everyone. */
  emit(event: E): void {
    for (const listener of this.#listeners) {
      listener.queue.push(event);
      if (listener.queue.length > EVENT_QUEUE_MAX) {
        listener.queue.shift();
        listener.dropped++;
      }
      listener.wake();
    }
  }

  /**
   * Events from this call on, until the signal fires or the loop is left.
   *
   * @throws VaultError `failed` if too many listen already
   */
  listen(signal: AbortSignal): AsyncIterableIterator<E | { kind: "dropped"; count: number }> {
    if (!signal.aborted && this.#listeners.size >= EVENT_LISTENERS_MAX) {
      throw new VaultError(
        "failed",
        `Cannot watch: ${EVENT_LISTENERS_MAX} others do already`,
      );
    }
    const listener: Listener<E> = { queue: [], dropped: 0, wake: () => {} };
    if (!signal.aborted) this.#listeners.add(listener);
    const leave = () => {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", leave);
      listener.wake();
    };
    signal.addEventListener("abort", leave);
    const next = async (): Promise<IteratorResult<E | { kind: "dropped"; count: number }>> => {
      for (;;) {
        if (listener.dropped > 0) {
          const count = listener.dropped;
          listener.dropped = 0;
          return { done: false, value: { kind: "dropped", count } };
        }
        const event = listener.queue.shift();
        if (event !== undefined) return { done: false, value: event };
        if (!this.#listeners.has(listener)) return { done: true, value: undefined };
        await new Promise<void>((resolve) => listener.wake = resolve);
      }
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next,
      return: () => {
        listener.queue = [];
        leave();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
