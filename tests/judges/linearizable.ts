/**
 * A judge of what clients of one key saw: whether there is an order of all calls, each between its beginning and its end,
 * in which one after the other they would have been answered as they were. Knows nothing of how a vault works, only what a
 * user is told: versions are numbered from 1, the latest is what `get` gives, a delete is a version without content.
 *
 * Source of the search: J. Wing and C. Gong, "Testing and Verifying Concurrent Objects", 1993; of remembering where it has
 * been: G. Lowe, "Testing for linearizability", 2017.
 *
 * @module
 */

/** What was asked of a key. */
export type Call =
  | { readonly kind: "put"; readonly content: string }
  | { readonly kind: "delete" }
  | { readonly kind: "get" }
  /** The content of one version. */
  | { readonly kind: "getVersion"; readonly number: number }
  | { readonly kind: "history" };

/** One version, as a history lists it. */
export interface Listed {
  readonly number: number;
  readonly id: string;
  readonly op: "put" | "delete";
}

/** What was answered. */
export type Answer =
  /** A put or delete made this version; a put of what was there already made none, and names it. */
  | {
    readonly kind: "version";
    readonly number: number;
    readonly id: string;
    readonly isNew: boolean;
  }
  | { readonly kind: "content"; readonly content: string }
  | { readonly kind: "history"; readonly versions: readonly Listed[] }
  /** There is no such key or version, or its latest version is a delete. */
  | { readonly kind: "missing" };

/** A call, when it began and ended, and its answer; `null` if none came: it may have taken effect or not, at any time since. */
export interface Recorded {
  readonly client: string;
  readonly began: number;
  readonly ended: number;
  readonly call: Call;
  readonly answer: Answer | null;
}

/** A key's versions, oldest first. An id is `null` where nobody was told it. */
type State = readonly { readonly content: string | null; readonly id: string | null }[];

/** The state after a call that was answered so; `null` if it can't have been answered so. */
function after(state: State, call: Call, answer: Answer | null): State | null {
  const latest = state.at(-1);
  const isMissing = latest === undefined || latest.content === null;
  switch (call.kind) {
    case "put":
      if (answer !== null && answer.kind !== "version") return null;
      return made(state, call.content, answer, !isMissing && latest.content === call.content);
    case "delete":
      if (answer?.kind === "missing") return isMissing ? state : null;
      if (answer !== null && answer.kind !== "version") return null;
      if (isMissing) return answer === null ? state : null;
      return made(state, null, answer, false);
    case "get":
      return answer === null || isSame(latest?.content ?? null, answer) ? state : null;
    case "getVersion":
      return answer === null || isSame(state[call.number - 1]?.content ?? null, answer)
        ? state
        : null;
    case "history":
      return answer === null || isHistory(state, answer) ? state : null;
  }
}

/** A version more, or the same as before where nothing changed. */
function made(
  state: State,
  content: string | null,
  answer: Extract<Answer, { kind: "version" }> | null,
  isThere: boolean,
): State | null {
  const number = state.length + (isThere ? 0 : 1);
  if (answer !== null && (answer.number !== number || answer.isNew === isThere)) return null;
  if (!isThere) return [...state, { content, id: answer?.id ?? null }];
  return answer === null || isId(state.at(-1)!.id, answer.id) ? state : null;
}

function isId(known: string | null, id: string): boolean {
  return known === null || known === id;
}

function isSame(content: string | null, answer: Answer): boolean {
  return content === null
    ? answer.kind === "missing"
    : answer.kind === "content" && answer.content === content;
}

function isHistory(state: State, answer: Answer): boolean {
  if (answer.kind === "missing") return state.length === 0;
  if (answer.kind !== "history" || answer.versions.length !== state.length) return false;
  return state.every(({ content, id }, i) => {
    const { number, op, id: listed } = answer.versions[i]!;
    return number === i + 1 && isId(id, listed) && (op === "delete") === (content === null);
  });
}

/**
 * An order of the calls, by their places in `history`, in which all answers are right; `null` if there is none. Calls
 * without an answer stand in it where they took effect, and are left out where they needn't have.
 */
export function linearize(history: readonly Recorded[]): number[] | null {
  const order: number[] = [];
  const dead = new Set<string>();
  const isDone = history.map(() => false);
  const answered = history.filter(({ answer }) => answer !== null).length;
  let answeredDone = 0;

  const search = (state: State): boolean => {
    if (answeredDone === answered) return true;
    const here = `${isDone.map(Number).join("")} ${JSON.stringify(state)}`;
    if (dead.has(here)) return false;
    // What began before all that is left had ended may be next.
    let firstEnd = Infinity;
    history.forEach(({ ended, answer }, i) => {
      if (!isDone[i] && answer !== null) firstEnd = Math.min(firstEnd, ended);
    });
    for (let i = 0; i < history.length; i++) {
      const { began, call, answer } = history[i]!;
      if (isDone[i] || began > firstEnd) continue;
      const next = after(state, call, answer);
      if (next === null) continue;
      isDone[i] = true;
      answeredDone += Number(answer !== null);
      order.push(i);
      if (search(next)) return true;
      order.pop();
      answeredDone -= Number(answer !== null);
      isDone[i] = false;
    }
    dead.add(here);
    return false;
  };
  return search([]) ? order : null;
}

/** Writes down what clients do, with a clock that only counts. */
export class Recorder {
  readonly history: Recorded[] = [];
  #now = 0;

  /** Does a call and writes it down. @param answer `null` if it is not known what became of it */
  async record(client: string, call: Call, work: () => Promise<Answer | null>): Promise<void> {
    const began = this.#now++;
    const answer = await work();
    this.history.push({ client, began, ended: this.#now++, call, answer });
  }
}
