/**
 * One run: from a seed to a verdict.
 *
 * @module
 */

import { Dice } from "../soak/dice.ts";
import { stillUnderWay } from "./bounds.ts";
import { Client } from "./clients.ts";
import type { FaultKind } from "./fault_kit.ts";
import { FAULTS } from "./faults.ts";
import { examine, shares } from "./health.ts";
import { isOfTheDead } from "./life.ts";
import { judgeSeals } from "./judge.ts";
import { letIn } from "./outsiders.ts";
import { enterPlatform, leavePlatform } from "./platform.ts";
import { CopyWatch } from "./watch.ts";
import type { SimNode } from "./node.ts";
import { describe, World } from "./world.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const HOUR = 60 * MINUTE;

/** Faults begin within this time of a day's beginning. */
const FAULTS_MS_MAX = MINUTE;
/** Much is done in a day for this long at least. */
const BUSY_MS_MIN = 20 * SECOND;
/** Hours between two days, and in all. */
const QUIET_MS_MAX = 8 * HOUR;
const QUIET_MS_SUM_MAX = 15 * HOUR;
/** All of them are over by then, or never could be. */
const MOTION_MS_MAX = 90 * MINUTE;
/** Once nothing goes wrong any more, all is well again after this long. */
const HEAL_MS_MAX = 20 * MINUTE;
/** Where bytes have rotted: a scrub finds it within the hour, and a scan what is short of copies after it. */
const SCRUB_MS_MAX = 70 * MINUTE;
/** So often a fault is tried for which there is no node at the time. */
const ATTEMPTS_MAX = 4;
/** And has nothing under way at some moment within this time. */
const REST_MS_MAX = MINUTE;
const LOOK_MS = 15 * SECOND;
const LONG_MS = 3 * MINUTE;
/** With so many objects it is no chance if a node holds none. */
const OBJECTS_FOR_SHARES = 60;

/** What a run came to. */
export interface Verdict {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly trace: readonly string[];
  /** The same for the same run. */
  readonly digest: string;
  /** How long it took in virtual time, ms, and what happened. */
  readonly virtualMs: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly faults: readonly string[];
  readonly steps: number;
}

/** How to run. */
export interface RunOptions {
  readonly onLine?: (line: string) => void;
  /** Kinds of faults to choose from; all if not given. */
  readonly kinds?: readonly FaultKind[];
}

/** Runs the world of a seed. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Verdict> {
  await enterPlatform();
  const world = new World(seed);
  if (options.onLine) world.trace.onLine = options.onLine;
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    if (isOfTheDead(event.reason)) return;
    world.onProblem(`nobody caught ${describe(event.reason)}`);
  };
  addEventListener("unhandledrejection", onRejection);
  let faults: readonly string[] = [];
  try {
    faults = await story(world, options.kinds ?? FAULTS);
  } catch (error) {
    world.onProblem(`the story broke off: ${describe(error)}`);
  }
  for (const node of world.nodes) node.kill();
  await world.time.run(world.time.now());
  for (const { index } of world.nodes) index?.remove();
  removeEventListener("unhandledrejection", onRejection);
  for (const leak of leavePlatform()) world.onProblem(leak);
  return {
    ...{ seed, faults, problems: world.problems, trace: world.trace.lines },
    digest: world.trace.digest,
    virtualMs: world.time.now(),
    operations: world.operations,
    acknowledged: world.oracle.acknowledgements,
    steps: world.time.steps,
  };
}

async function story(world: World, kinds: readonly FaultKind[]): Promise<string[]> {
  const { dice } = world;
  const owners = 1 + dice.below(3);
  const others = Math.max(3 - owners, dice.below(4));
  world.trace.note("story", `${owners} owners, ${others} others, R = ${world.replicas}`);
  await world.found({ owners, others });
  const days = 2 + dice.below(2);
  const chosen = Array.from({ length: 1 + dice.below(4) }, () => choose(kinds, dice));
  const clients = world.nodes.map((node) => new Client(node).run());
  world.onNode = (node) => void clients.push(new Client(node).run());
  const dayOf = chosen.map(() => dice.below(days));
  const faults: Promise<string>[] = [];
  void new CopyWatch(world).run();
  let running = chosen.length;
  const begin = async (kind: FaultKind) => {
    world.days.busy++;
    const name = await runFault(world, kind, new Dice(dice.next()));
    world.days.busy--;
    running--;
    return name;
  };
  for (let day = 0; day < days || running > 0; day++) {
    if (day > 0) await night(world);
    faults.push(...chosen.filter((_, i) => dayOf[i] === day).map(begin));
    const leastMs = world.time.now() + BUSY_MS_MIN;
    const isOver = () => world.time.now() >= leastMs && world.days.busy === 0;
    if (await world.time.run(world.time.now() + MOTION_MS_MAX, isOver)) continue;
    world.onProblem(`${world.days.busy} faults never came to an end`);
    break;
  }
  world.isInMotion = false;
  await heal(world, { clients, faults });
  return await Promise.all(faults);
}

/** Hours in which little is done. */
async function night({ dice, days, trace }: World): Promise<void> {
  const hours = dice.below(dice.chance(0.3) ? QUIET_MS_MAX : QUIET_MS_MAX / 2);
  const ms = Math.min(10 * MINUTE + hours, Math.max(HOUR, QUIET_MS_SUM_MAX - days.quietMs));
  trace.note("story", `all is quiet for ${Math.round(ms / MINUTE)} minutes`);
  await days.quiet(ms);
}

function choose(kinds: readonly FaultKind[], dice: Dice): FaultKind {
  let left = dice.next() / 2 ** 32 * kinds.reduce((sum, { weight }) => sum + weight, 0);
  return kinds.find(({ weight }) => (left -= weight) < 0) ?? kinds[0]!;
}

/** Says which kind it was in the end: where one can't be done in this world, another takes its place. */
async function runFault(world: World, planned: FaultKind, dice: Dice): Promise<string> {
  await world.time.sleep(dice.below(FAULTS_MS_MAX));
  for (let attempt = 1;; attempt++) {
    const kind = attempt > ATTEMPTS_MAX ? FAULTS[0]! : planned;
    const hit = await kind.run(world, dice);
    if (hit === false) world.onProblem(`${kind.name} never had an effect`);
    if (hit !== null) return kind.name;
    await world.time.sleep(5 * SECOND);
  }
}

/** Nothing goes wrong any more: all must be well again in time, and nothing that was promised be lost. */
async function heal(
  world: World,
  { clients, faults }: { clients: Promise<void>[]; faults: Promise<string>[] },
): Promise<void> {
  const { time, trace, network, oracle } = world;
  trace.note("story", "nothing goes wrong any more");
  network.healAll();
  for (const node of world.nodes) {
    node.disk.heal();
    node.clock.correct();
  }
  const withTime = <T>(promise: Promise<T>) => time.during(promise, 10 * MINUTE);
  await withTime(Promise.all([...clients, ...faults]));
  for (const node of world.members()) if (!node.isUp) await withTime(world.bringUp(node));
  for (const node of world.nodes) if (node.isEvicted) node.kill();
  const nodes = world.members().filter(({ isLiar }) => !isLiar);
  const liars = world.members().length - nodes.length;
  const replicas = Math.min(world.replicas, world.members().length) - liars;
  const what = { nodes, replicas, mayLack: oracle.mayLackObjects };
  // What was stored by a clock that was ahead is taken once its time has come near.
  const aheadMs = world.aheadUntilMs - time.now();
  if (aheadMs > HOUR) await world.days.quiet(aheadMs);
  const begin = time.now();
  const end = Math.max(begin, world.aheadUntilMs) + HEAL_MS_MAX +
    (oracle.mayLackObjects ? SCRUB_MS_MAX : 0);
  let wrong: string[] = [];
  while (true) {
    wrong = await withTime(examine({ ...what, readsAll: true }));
    if (wrong.length === 0 || time.now() >= end) break;
    // What takes longer waits for a pass over the store or for a clock, and for nobody who would be dialled or pinged.
    const isLong = time.now() - begin > LONG_MS;
    if (isLong) {
      world.days.linger();
      await withTime(letIn(world));
    }
    await time.run(time.now() + (isLong ? 4 : 1) * LOOK_MS);
  }
  for (const text of wrong.slice(0, 5)) {
    world.onProblem(`not healed after ${(time.now() - begin) / MINUTE} minutes: ${text}`);
  }
  trace.note("story", `healed after ${(time.now() - begin) / 1000} s`);
  await withTime(oracle.checkHistories(nodes));
  await time.during(oracle.checkContents(nodes), 60 * MINUTE);
  for (const node of nodes) await withTime(oracle.checkOwn(node));
  oracle.checkOrphans();
  oracle.checkAuthors(nodes, world.nodes);
  // A vault whose owner is gone, or lies, nobody here can open.
  const areAllHere = world.nodes.every((node) => nodes.includes(node) && node.generation === 0);
  if (areAllHere) { for (const text of await withTime(judgeSeals(nodes))) world.onProblem(text); }
  checkShares(world, nodes);
  await comeToRest(world, nodes);
  world.checkBounds();
}

/** Once nothing is to be done, nothing is under way. */
async function comeToRest(world: World, nodes: readonly SimNode[]): Promise<void> {
  for (const node of nodes) {
    const isAtRest = () => stillUnderWay(node).length === 0;
    if (await world.time.run(world.time.now() + REST_MS_MAX, isAtRest)) continue;
    world.onProblem(`${node.name} does not come to rest: ${stillUnderWay(node).join(", ")}`);
  }
}

/** Every member takes its share of what is placed. */
function checkShares(world: World, nodes: readonly World["nodes"][number][]): void {
  const { objects, held } = shares(nodes);
  if (objects < OBJECTS_FOR_SHARES) return;
  for (const [node, count] of held) {
    if (count === 0) world.onProblem(`${node.name} holds none of ${objects} objects`);
  }
}
