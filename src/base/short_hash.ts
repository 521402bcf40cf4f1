/**
 * SHA-256 (FIPS 180-4) of a few hundred bytes at most, in plain TypeScript: a call of node:crypto takes longer than so little
 * is hashed in, and a record, a key's tag, an id each take several.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";

/** From here on node:crypto is the faster one. */
export const SHORT_BYTES_MAX = 1024;

const BLOCK_BYTES = 64;

/** The first primes, for the constants. */
const PRIMES: readonly number[] = (() => {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
})();

/** The first 32 bits behind the point. */
function fraction(value: number): number {
  return Math.floor((value % 1) * 2 ** 32);
}

/** §4.2.2: of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)) | 0);
/** §5.3.3: of the square roots of the first 8. */
const INITIAL_STATE = Int32Array.from(
  PRIMES.slice(0, 8),
  (prime) => fraction(Math.sqrt(prime)) | 0,
);

const schedule = new Int32Array(64);
const state = new Int32Array(8);
/** What is hashed, with its padding. */
const message = new Uint8Array(SHORT_BYTES_MAX + 2 * BLOCK_BYTES);
const view = new DataView(message.buffer);

/** The state after whole blocks: what SHA-256 goes on from. */
export type HashState = Int32Array;

/** The state after one block of 64 bytes. */
export function stateAfter(block: Uint8Array): HashState {
  state.set(INITIAL_STATE);
  message.set(block);
  addBlock(0);
  return state.slice();
}

/** Whether pieces are so short, all together, that {@link shortHash} takes them. */
export function areShort(pieces: readonly Uint8Array[]): boolean {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length <= SHORT_BYTES_MAX;
}

/** SHA-256 of the pieces one after the other, {@link SHORT_BYTES_MAX} at most; from `after` on, which is one block's state. */
export function shortHash(pieces: readonly Uint8Array[], after: HashState | null = null): Bytes {
  let length = 0;
  for (const piece of pieces) {
    message.set(piece, length);
    length += piece.length;
  }
  const end = BLOCK_BYTES * Math.ceil((length + 9) / BLOCK_BYTES);
  message.fill(0, length, end);
  message[length] = 0x80;
  view.setUint32(end - 4, 8 * (length + (after === null ? 0 : BLOCK_BYTES)));
  state.set(after ?? INITIAL_STATE);
  for (let at = 0; at < end; at += BLOCK_BYTES) addBlock(at);
  const hash = new Uint8Array(32);
  for (let i = 0; i < 8; i++) {
    const word = state[i]!;
    hash[4 * i] = word >>> 24;
    hash[4 * i + 1] = word >>> 16;
    hash[4 * i + 2] = word >>> 8;
    hash[4 * i + 3] = word;
  }
  return hash;
}

/** §6.2.2, of the block at this offset of the message. */
function addBlock(at: number): void {
  for (let i = 0; i < 16; i++) schedule[i] = view.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = schedule[i - 15]!;
    const y = schedule[i - 2]!;
    const small0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3);
    const small1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10);
    schedule[i] = (schedule[i - 16]! + small0 + schedule[i - 7]! + small1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const large1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const choice = (e & f) ^ (~e & g);
    const first = (h + large1 + choice + ROUND_CONSTANTS[i]! + schedule[i]!) | 0;
    const large0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + large0 + majority) | 0;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}
