/**
 * A bit that flipped is found and flipped back. An object's address is the hash of what was stored: of all that differ from
 * what is there in one bit, the one with this hash is the object, by the same proof as any other that is read. Pure.
 *
 * @module
 */

import { type Address, type Bytes, equalBytes, sha256 } from "../base/mod.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES, type FrameHeader } from "./frame.ts";

/** Bytes that are hashed in one step, each hash counting as some more: some hundred microseconds. */
const STEP_BYTES = 256 * 1024;
const HASH_COSTS_BYTES = 4096;

/** Bytes that have to be hashed to try all bits of an object. */
export function flipBackCost(length: number): number {
  return 8 * length * length;
}

/**
 * Tries each bit, in steps between which others may get their turn.
 *
 * @param bytes changed meanwhile; whole at the end if that is the answer, else as they were
 * @returns whether they are what the address says, all but one bit of them being so before
 */
export function* flipBack(bytes: Bytes, address: Address): Generator<void, boolean> {
  let hashed = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    for (let bit = 1; bit < 256; bit <<= 1) {
      bytes[i] = byte ^ bit;
      if (equalBytes(sha256(bytes), address)) return true;
      hashed += bytes.length + HASH_COSTS_BYTES;
      if (hashed < STEP_BYTES) continue;
      hashed = 0;
      bytes[i] = byte;
      yield;
    }
    bytes[i] = byte;
  }
  return false;
}

/**
 * What a frame's header said before one of its bits flipped, `null` if there is no such header. As its CRC vouches for it
 * alone, it is one only if what follows has its address.
 */
export function headerBeforeFlip(bytes: Bytes): FrameHeader | null {
  const header = bytes.slice(0, FRAME_HEADER_BYTES);
  for (let i = 0; i < header.length; i++) {
    for (let bit = 1; bit < 256; bit <<= 1) {
      header[i]! ^= bit;
      const decoded = decodeFrameHeader(header);
      if (decoded !== null) return decoded;
      header[i]! ^= bit;
    }
  }
  return null;
}
