/** What the tests of src/net share: virtual time, pairs of channels, values of every message. */

import { setImmediate } from "node:timers";
import { VaultError } from "../../src/base/mod.ts";
import type { Clock, Timers } from "../../src/base/mod.ts";
import {
  type Channel,
  type ChannelHandler,
  type Connection,
  MemoryNetwork,
  openChannel,
  type RequestName,
  type Requests,
} from "../../src/net/mod.ts";

/** Time that passes only when told. */
export class VirtualTime implements Clock, Timers {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass, timer by timer, with everything that follows from each. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#timers.reduce<{ at: number; run: () => void } | null>(
        (first, timer) => first === null || timer.at < first.at ? timer : first,
        null,
      );
      if (next === null || next.at > end) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
    await settled();
  }
}

/** Resolves once everything that needs no timer and no outside world has happened. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const CREDENTIALS = { certificate: new Uint8Array([1]), privateKey: new Uint8Array([2]) };

/** Two ends of a connection in memory, and its network. */
export async function memoryPair(
  time: Timers,
  windowBytes?: number,
): Promise<{ a: Connection; b: Connection; network: MemoryNetwork }> {
  const network = new MemoryNetwork({
    timers: time,
    ...(windowBytes === undefined ? {} : { windowBytes }),
  });
  const listener = await network.host("b").listen({
    host: "b",
    port: 1,
    credentials: CREDENTIALS,
  });
  const options = { certificate: CREDENTIALS.certificate, timeoutMs: 1000 };
  const a = await network.host("a").dial("b:1", options);
  for await (const b of listener.accept()) {
    listener.close();
    return { a, b, network };
  }
  throw new Error("nobody came");
}

type Answers = {
  [N in RequestName]?: (
    ask: Requests[N]["ask"],
    options: { signal: AbortSignal },
  ) => Requests[N]["reply"] | Promise<Requests[N]["reply"]>;
};

/** A handler that answers what it is given answers for, and notes events. */
export function handlerOf(answers: Answers = {}): ChannelHandler & { events: unknown[] } {
  const events: unknown[] = [];
  return {
    events,
    async request(name, ask, options) {
      const answer = answers[name];
      if (answer === undefined) throw new VaultError("failed", `no answer for ${name}`);
      // deno-lint-ignore no-explicit-any -- one of many functions, each of its own ask
      return await (answer as any)(ask, options);
    },
    event(name, event) {
      events.push({ name, event });
    },
  };
}

/** Two channels, end to end. */
export async function channelPair(
  options: { a?: Answers; b?: Answers; windowBytes?: number } = {},
): Promise<{
  time: VirtualTime;
  network: MemoryNetwork;
  a: Channel;
  b: Channel;
  events: { a: unknown[]; b: unknown[] };
  faults: unknown[];
}> {
  const time = new VirtualTime();
  const { a, b, network } = await memoryPair(time, options.windowBytes);
  const faults: unknown[] = [];
  const shared = { clock: time, timers: time, onError: (error: unknown) => faults.push(error) };
  const [handlerA, handlerB] = [handlerOf(options.a), handlerOf(options.b)];
  return {
    time,
    network,
    a: openChannel(a, handlerA, shared),
    b: openChannel(b, handlerB, shared),
    events: { a: handlerA.events, b: handlerB.events },
    faults,
  };
}
