/**
 * A judge of what several nodes show of the same keys: of the records that a node has, it works out by the words of
 * docs/format.md, section 5, what must be seen, and compares; and nodes with the same records must show the same, to the
 * byte. It shares no code with src/log/history.ts.
 *
 * @module
 */

/** A record that makes a version, as it was signed. */
export interface RecordedVersion {
  readonly id: string;
  /** What stands for the key. */
  readonly key: string;
  readonly depth: number;
  readonly clock: bigint;
  readonly parents: readonly string[];
  readonly op: string;
}

/** A version, as a node shows it. */
export interface SeenVersion {
  readonly id: string;
  readonly version: number;
  readonly op: string;
  readonly latest: boolean;
  readonly conflict: boolean;
}

/** One node: the records it has, and the history it shows of each key, in its order. */
export interface NodeView {
  readonly node: string;
  readonly records: readonly RecordedVersion[];
  readonly histories: Readonly<Record<string, readonly SeenVersion[]>>;
}

/** Whether `a` is the greater by (depth, clock, id). */
function isGreater(a: RecordedVersion, b: RecordedVersion): boolean {
  if (a.depth !== b.depth) return a.depth > b.depth;
  return a.clock === b.clock ? a.id > b.id : a.clock > b.clock;
}

/** What is wrong with what one node shows of one key. */
function* wrongWith(
  records: readonly RecordedVersion[],
  seen: readonly SeenVersion[],
): Generator<string> {
  const known = new Map(records.map((record) => [record.id, record]));
  const shown = new Set(seen.map(({ id }) => id));
  if (shown.size !== seen.length) yield "a version is shown twice";
  for (const { id } of records) if (!shown.has(id)) yield `version ${id} is lost`;
  for (const { id } of seen) if (!known.has(id)) yield `version ${id} has no record`;

  const named = new Set(records.flatMap(({ parents }) => parents));
  const heads = records.filter(({ id }) => !named.has(id));
  const latest = heads.reduce<RecordedVersion | undefined>(
    (best, head) => best === undefined || isGreater(head, best) ? head : best,
    undefined,
  );
  const before = new Set<string>();
  for (const { id, version, op, latest: isLatest, conflict } of seen) {
    const record = known.get(id);
    if (record === undefined) continue;
    if (version !== record.depth) yield `version ${id} has number ${version}, not ${record.depth}`;
    if (op !== record.op) yield `version ${id} is shown as a ${op}, but is a ${record.op}`;
    if (isLatest !== (id === latest?.id)) {
      yield isLatest
        ? `${id} is shown as the latest, not ${latest?.id}`
        : `${id} is not shown as the latest`;
    }
    const isConflict = heads.length > 1 && heads.includes(record);
    if (conflict !== isConflict) {
      yield conflict ? `${id} is marked as a conflict` : `${id} is not marked as a conflict`;
    }
    const deepest = Math.max(0, ...record.parents.map((parent) => known.get(parent)?.depth ?? 0));
    if (record.parents.every((parent) => known.has(parent)) && record.depth !== deepest + 1) {
      yield `version ${id} is not one deeper than its parents`;
    }
    for (const parent of record.parents) {
      if (known.has(parent) && !before.has(parent)) {
        yield `version ${id} is shown before its parent`;
      }
    }
    before.add(id);
  }
}

/** What is wrong with what the nodes show; nothing if they have converged as far as their records have. */
export function divergences(views: readonly NodeView[]): string[] {
  const found: string[] = [];
  for (const { node, records, histories } of views) {
    for (
      const key of new Set([...records.map((record) => record.key), ...Object.keys(histories)])
    ) {
      const ofKey = records.filter((record) => record.key === key);
      for (const wrong of wrongWith(ofKey, histories[key] ?? [])) {
        found.push(`${node}, ${key}: ${wrong}`);
      }
    }
  }
  const first = new Map<string, NodeView>();
  for (const view of views) {
    const records = view.records.map(({ id }) => id).sort().join();
    const other = first.get(records) ?? view;
    first.set(records, other);
    if (other !== view && written(other) !== written(view)) {
      found.push(`${view.node} and ${other.node} have the same records and show other histories`);
    }
  }
  return found;
}

/** All histories as text, all that is shown of them. */
function written({ histories }: NodeView): string {
  return JSON.stringify(Object.entries(histories).sort(([a], [b]) => a < b ? -1 : 1));
}
