/**
 * Counts what code allocates, in bytes: every array of bytes or buffer made by a length, every copy of one, and every array
 * that is made by its length. What the runtime allocates by itself is not seen; what our decoders ask for is.
 *
 * @module
 */

/** Bytes that an element of a plain array takes, at least. */
const ELEMENT_BYTES = 8;

let counted = 0;

function lengthOf(argument: unknown): number {
  return typeof argument === "number" ? argument : 0;
}

/** The constructor, which counts the lengths that it is called with. */
function counting(constructor: typeof Uint8Array | typeof ArrayBuffer): unknown {
  const proxy: unknown = new Proxy(constructor, {
    construct(target, args, newTarget) {
      counted += lengthOf(args[0]);
      return Reflect.construct(target, args, newTarget === proxy ? target : newTarget) as object;
    },
  });
  return proxy;
}

/** What is put in another's place while work is watched. */
interface Patch {
  readonly on: object;
  readonly name: string;
  readonly by: unknown;
}

const RealBytes = Uint8Array;
const RealBuffer = ArrayBuffer;
const { from } = Array;
// deno-lint-ignore no-explicit-any -- methods are called on whatever they are called on
type Method = (...args: any[]) => any;

function wrapped(method: Method, bytesOf: (self: never, args: unknown[]) => number): Method {
  return function (this: never, ...args: unknown[]) {
    counted += bytesOf(this, args);
    return Reflect.apply(method, this, args);
  };
}

const PATCHES: readonly Patch[] = [
  { on: globalThis, name: "Uint8Array", by: counting(RealBytes) },
  { on: globalThis, name: "ArrayBuffer", by: counting(RealBuffer) },
  {
    on: RealBytes.prototype,
    name: "slice",
    by: wrapped(
      RealBytes.prototype.slice,
      (self: Uint8Array, [start = 0, end = self.length]) =>
        Math.max(0, Math.min(Number(end), self.length) - Number(start)),
    ),
  },
  {
    on: RealBuffer.prototype,
    name: "transfer",
    by: wrapped(RealBuffer.prototype.transfer, (_self, [length]) => lengthOf(length)),
  },
  {
    on: Array,
    name: "from",
    by: wrapped(
      from as Method,
      (_self, [source]) => ELEMENT_BYTES * lengthOf((source as { length?: unknown }).length),
    ),
  },
];

/** Runs the work, and says how many bytes it asked for. One at a time; what it throws is thrown. */
export async function allocatedBy<T>(
  work: () => T | Promise<T>,
  told: (bytes: number) => void,
): Promise<T> {
  const before = counted;
  const originals = PATCHES.map(({ on, name }) => Object.getOwnPropertyDescriptor(on, name));
  for (const { on, name, by } of PATCHES) {
    Object.defineProperty(on, name, { value: by, writable: true, configurable: true });
  }
  try {
    const result = work();
    return result instanceof Promise ? await result : result;
  } finally {
    PATCHES.forEach(({ on, name }, i) => {
      const original = originals[i]; // none where the method is inherited
      if (original === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, original);
    });
    told(counted - before);
  }
}
