/**
 * Connections of one pair that overtake each other, answers that get lost, and what is said twice: part of {@link FAULTS}.
 * A byte stream under TLS is neither reordered nor repeated, so these happen between connections, and by what a member says.
 *
 * @module
 */

import { type Bytes, isVaultError } from "../../src/base/mod.ts";
import type { EventName, Events, RequestName, Requests } from "../../src/net/mod.ts";
import { type Codec, decodeAll } from "../../src/net/codec.ts";
import { EVENTS, REQUESTS } from "../../src/net/message_table.ts";
import { decodeWelcome, isRefusal } from "../../src/peer/handshake_messages.ts";
import type { Dice } from "../soak/dice.ts";
import { type FaultKind, isInTouch, MINUTE, SECOND, until, withNode } from "./fault_kit.ts";
import type { SimNode } from "./node.ts";
import { type Greeting, Recorder, type Said } from "./recorder.ts";
import type { World } from "./world.ts";

/** Pairs whose connections are made to overtake each other, one after the other. */
const PAIRS = 3;
/** What is late comes up to so much later. */
const LATE_MS_MAX = 12 * SECOND;
/** Something is said over each session within this time, as members are pinged, seldom if there is {@link Timers.leisure}. */
const TALK_MS_MAX = MINUTE;
/** So much is played back: requests and events one by one or at once, and handshakes. */
const ROUNDS = 30;
const ROUNDS_MAX = 200;
const BURST = 100;
const BURST_ROUNDS = 10;
const HANDSHAKES = 4;
/** How long an answer to what is played back is waited for. */
const ANSWER_MS_MAX = 20 * SECOND;

/** Two members that have a session. */
function aPair({ dice, world }: { dice: Dice; world: World }): [SimNode, SimNode] | null {
  const up = world.members().filter(isInTouch);
  const pairs = up.flatMap((one) =>
    up.filter(({ id }) => one.running!.peers.node.sessions.session(id) !== null)
      .map((other): [SimNode, SimNode] => [one, other])
  );
  return pairs.length === 0 ? null : dice.pick(pairs);
}

/**
 * The connection of two members gets old: what one says over it is late, or what the other does, and breaks at the one's end
 * once something was said. The one connects again while the other still has the old session, and what was late comes behind
 * what is said over the new one, or not at all.
 *
 * @returns how often that was so; `null` if there was no such connection
 */
async function replaceSession(
  world: World,
  dice: Dice,
  late: "asks" | "answers",
): Promise<number | null> {
  const { network, trace, time } = world;
  const pair = aPair({ dice, world });
  if (pair === null) return null;
  const [one, other] = pair;
  const lateMs = 2 * SECOND + dice.below(LATE_MS_MAX);
  const held = network.hits.held;
  if (late === "asks") network.age(one.name, other.name, lateMs);
  else network.age(other.name, one.name, lateMs);
  const said = await until(world, () => network.hits.held > held, TALK_MS_MAX);
  await time.sleep(dice.below(lateMs / 2));
  const before = network.hits.overtaken;
  network.age(one.name, other.name, lateMs); // so is that its end is gone
  const broken = network.breakEnds(one.name, other.name);
  const what = late === "asks" ? `what it said to ${other.name}` : `what ${other.name} said`;
  trace.note(one.name, `loses its connection, ${what} is ${late === "asks" ? "late" : "lost"}`);
  await time.sleep(lateMs + SECOND);
  if (late === "answers") return said && broken > 0 ? 1 : 0;
  return network.hits.overtaken - before;
}

/** Several pairs, one after the other. */
async function replaceSessions(
  world: World,
  dice: Dice,
  late: "asks" | "answers",
): Promise<number | null> {
  let times: number | null = null;
  for (let i = 0; i < PAIRS || ((times ?? 0) === 0 && i < 4 * PAIRS); i++) {
    const more = await replaceSession(world, dice, late);
    if (more !== null) times = (times ?? 0) + more;
    else if (times === 0) times = null; // who could have been hit is gone: nothing is shown by that
    await world.time.sleep(dice.below(20 * SECOND));
  }
  return times;
}

/** Plays back what was said, to whom it was said or to others, on whatever session stands. */
class Playback {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #dice: Dice;
  readonly #recorder: Recorder;
  readonly hits = { requests: 0, answered: 0, events: 0, handshakes: 0 };

  constructor(options: { world: World; node: SimNode; dice: Dice; recorder: Recorder }) {
    this.#world = options.world;
    this.#node = options.node;
    this.#dice = options.dice;
    this.#recorder = options.recorder;
  }

  /** Goes on until it was done often, and whatever kind of thing there is to play back was. */
  async run(isFit: (said: Said) => boolean): Promise<void> {
    const dice = this.#dice;
    for (let round = 0; round < ROUNDS || (round < ROUNDS_MAX && this.#lacksSome(isFit)); round++) {
      const members = this.#world.members().filter((node) => node !== this.#node);
      const said = this.#recorder.said.filter(isFit);
      // One after the other, and now and then as many as the protocol lets nobody have under way.
      const kind = round % 3 === 1 ? "event" : "ask";
      const some = said.filter((one) => one.kind === kind);
      if (some.length > 0 && members.length > 0) {
        const target = dice.pick(members);
        const isBurst = round % BURST_ROUNDS === 0;
        // Of bulk few are under way anyway: one burst is of what is not, if there is any.
        const isQuick = round === 2 * BURST_ROUNDS;
        const quick = some.filter((one) => isQuick && one.kind === "ask" && !isBulk(one.name));
        const from = quick.length > 0 ? quick : some;
        for (let i = 0; i < (isBurst ? BURST : 1); i++) {
          const one = dice.pick(from);
          const same = members.find(({ name }) => name === one.other);
          const goesBack = !isBurst && same !== undefined && dice.chance(0.6);
          this.#say(one, goesBack ? same : target);
        }
        if (isBurst) this.#world.lookAtBounds(this.#node);
      }
      await this.#world.time.sleep(dice.below(4 * SECOND));
    }
  }

  #lacksSome(isFit: (said: Said) => boolean): boolean {
    const { requests, answered, events } = this.hits;
    const hasEvents = this.#recorder.said.some((said) => isFit(said) && said.kind === "event");
    return requests === 0 || answered === 0 || (hasEvents && events === 0);
  }

  #say(said: Said, target: SimNode): void {
    const { running } = this.#node;
    const session = running?.peers.node.sessions.session(target.id);
    if (!session) return;
    if (said.kind === "event") {
      this.hits.events++;
      const codec = EVENTS[said.name].event as Codec<Events[EventName]>;
      session.channel.notify(said.name, decodeAll(codec, said.bytes.slice(), said.name));
    } else {
      this.hits.requests++;
      const codec = REQUESTS[said.name].ask as Codec<Requests[RequestName]["ask"]>;
      const ask = decodeAll(codec, said.bytes.slice(), said.name);
      session.channel.request(said.name, ask, { timeoutMs: ANSWER_MS_MAX })
        .then(() => this.hits.answered++)
        .catch((error) => {
          if (running!.life.isAlive && !isVaultError(error)) throw error;
        });
    }
  }

  /** Says to others what diallers have said to this node to prove who they are. */
  async shakeHands(): Promise<void> {
    const { time } = this.#world;
    for (let i = 0; i < ROUNDS && this.hits.handshakes < HANDSHAKES; i++) {
      await time.sleep(SECOND);
      const { running } = this.#node;
      const others = this.#world.members().filter((node) => node !== this.#node && node.isUp);
      const { handshakes } = this.#recorder;
      if (running === null || others.length === 0 || handshakes.length === 0) continue;
      const greeting = this.#dice.pick(handshakes);
      const same = others.find(({ name }) => name === greeting.listener);
      await Promise.race([
        this.#shakeHands(same ?? this.#dice.pick(others), greeting),
        running.life.ended,
        time.sleep(ANSWER_MS_MAX),
      ]);
    }
  }

  async #shakeHands(other: SimNode, { hello, proof }: Greeting): Promise<void> {
    const transport = this.#world.network.of(this.#node.name, this.#node.running!.life);
    try {
      const options = { timeoutMs: ANSWER_MS_MAX };
      const certificate = await transport.probe(other.address, options);
      const connection = await transport.dial(other.address, { ...options, certificate });
      const read = async () => {
        const prefix = await exactly(connection, 2);
        return await exactly(connection, new DataView(prefix.buffer).getUint16(0));
      };
      await connection.write(hello);
      await read();
      await connection.write(proof);
      this.hits.handshakes++;
      const answer = decodeWelcome(await read());
      if (!isRefusal(answer)) {
        this.#world.onProblem(`${other.name} took a handshake that was played back`);
      }
      connection.close();
    } catch {
      // Refused without a word, or killed.
    }
  }
}

function isBulk(name: RequestName): boolean {
  return REQUESTS[name].priority === "bulk";
}

async function exactly(
  connection: { read(into: Uint8Array): Promise<number | null> },
  length: number,
): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(bytes.subarray(at));
    if (count === null) throw new Error("the other end hung up");
    at += count;
  }
  return bytes;
}

/** A node is started again with its words, and what is said to it, remembered from the first on. */
async function record(world: World, node: SimNode): Promise<Recorder> {
  const recorder = new Recorder();
  world.network.recorders.set(node.name, recorder);
  node.kill();
  await world.bringUp(node);
  return recorder;
}

/** See the module. */
export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    name: "overtaking connection",
    weight: 2,
    run: async (world, dice) => {
      const overtaken = await replaceSessions(world, dice, "asks");
      world.trace.note("net", `overtaken ${overtaken ?? 0} times`);
      return overtaken === null ? null : overtaken > 0;
    },
  },
  {
    name: "lost answer",
    weight: 1.5,
    run: async (world, dice) => {
      const lost = await replaceSessions(world, dice, "answers");
      return lost === null ? null : lost > 0;
    },
  },
  {
    name: "echo",
    weight: 1.5,
    // What it says of itself with a ping would not be so any more.
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const recorder = await record(world, node);
        await world.time.sleep(MINUTE);
        const isFit = ({ isOwn, name }: Said) => isOwn && name !== "ping" && name !== "bye";
        await until(world, () => recorder.said.some(isFit));
        world.trace.note(node.name, "says again what it has said");
        const playback = new Playback({ world, node, dice, recorder });
        await playback.run(isFit);
        world.network.recorders.delete(node.name);
        world.trace.note(node.name, `has said again: ${JSON.stringify(playback.hits)}`);
        return playback.hits.answered > 0 || (isInTouch(node) ? false : null);
      }, isInTouch),
  },
  {
    name: "playback",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.distrust(node);
        node.isLiar = true;
        const recorder = await record(world, node);
        await world.time.sleep(MINUTE);
        const hasHeard = () =>
          recorder.handshakes.length > 0 && recorder.said.some(({ kind }) => kind === "event");
        await until(world, hasHeard);
        world.trace.note(node.name, "plays back what it has heard");
        const playback = new Playback({ world, node, dice, recorder });
        await playback.run(() => true);
        await playback.shakeHands();
        world.network.recorders.delete(node.name);
        world.trace.note(node.name, `has played back: ${JSON.stringify(playback.hits)}`);
        const { requests, events, handshakes } = playback.hits;
        const hit = requests > 0 && events > 0 && handshakes > 0;
        return hit || (isInTouch(node) ? false : null);
      }, (node) => !node.isOwner && !node.isLiar && isInTouch(node) && world.mayLose(node)),
  },
];
