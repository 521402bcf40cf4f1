/**
 * Records in which a bit flipped on this node's disk are made whole again here. Chunks are copied and can be stored again; a
 * record that nobody has yet stands for all that its node writes after it, as others take over a log without holes alone.
 *
 * @module
 */

import { type Address, type Bytes, equalBytes, isVaultError, sha256, toHex } from "../base/mod.ts";
import {
  flipBack,
  flipBackCost,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FrameRow,
  headerBeforeFlip,
  PACK_HEADER_BYTES,
  scanFrames,
} from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { paced } from "./steps.ts";

/** What is larger is not tried with each of its bits flipped: of so many bytes that hashes 32 GiB, half a minute's work. */
const FLIPPED_BYTES_MAX = 64 * 1024;
/** Bytes that are hashed for that in one pass. */
const HASHED_BYTES_MAX = 256 * 1024 ** 3;

/** A frame that the index does not know, as it was damaged when its pack was read. */
interface LostFrame {
  readonly header: FrameHeader;
  readonly pack: number;
  /** Of the payload. */
  readonly offset: number;
}

/** Makes records and lists whole again, what a pass over the store may cost being bounded. */
export class FlippedBits {
  readonly #context: VaultContext;
  /** Up to where packs that hold something damaged were looked through, by their number. */
  readonly #looked = new Map<number, number>();
  #leftBytes = HASHED_BYTES_MAX;
  /** Under way, by address in hex: several may ask for one. */
  readonly #trying = new Map<string, Promise<boolean>>();
  /** Tried in vain in this pass, by address in hex. */
  readonly #futile = new Set<string>();

  constructor(context: VaultContext) {
    this.#context = context;
  }

  /**
   * A pass over all that is stored begins. Looks for what the index does not know, as it was damaged when that was made.
   *
   * @returns what it has made whole
   */
  async beginPass(): Promise<Address[]> {
    this.#leftBytes = HASHED_BYTES_MAX;
    this.#futile.clear();
    const { database, store } = this.#context;
    const entered: Address[] = [];
    for (const { number, length, isIntact } of database.guard(() => store.index.packs())) {
      if (isIntact || (this.#looked.get(number) ?? 0) >= length) continue;
      try {
        entered.push(...await this.#enterLost(this.#lostIn(number, length)));
        this.#looked.set(number, length);
      } catch (error) {
        // A pack that was collected meanwhile; a disk that is full: the next pass tries again.
        if (!isVaultError(error) && !(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return entered;
  }

  /**
   * Makes a damaged object whole where it is a record or a list and one bit of it flipped: it lies elsewhere then, at the end of
   * the store.
   *
   * @returns whether that was it
   */
  mend(frame: FrameRow): Promise<boolean> {
    const name = toHex(frame.address);
    let trying = this.#trying.get(name);
    if (trying === undefined) {
      trying = this.#mend(frame).finally(() => this.#trying.delete(name));
      this.#trying.set(name, trying);
    }
    return trying;
  }

  async #mend(frame: FrameRow): Promise<boolean> {
    const { database, store, gate } = this.#context;
    const bytes = this.#read(frame);
    if (bytes === null || equalBytes(sha256(bytes), frame.address)) return false;
    if (!await this.#flipBack(bytes, frame)) return false;
    return await gate.share(async () => {
      const now = database.guard(() => store.index.find(frame.address));
      if (now === null || now.pack !== frame.pack || now.offset !== frame.offset) return false;
      await store.relocate([now], [], () => false, () => bytes);
      return true;
    });
  }

  /** The bytes at a place, the caller's own; `null` if nobody can read them. */
  #read(frame: Parameters<VaultContext["store"]["readFrame"]>[0]): Bytes | null {
    try {
      return this.#context.store.readFrame(frame);
    } catch (error) {
      if (isVaultError(error)) return null;
      throw error;
    }
  }

  async #flipBack(
    bytes: Bytes,
    { kind, address }: { kind: FrameHeader["kind"]; address: Address },
  ): Promise<boolean> {
    const isTried = kind === "segment" || kind === "public";
    if (!isTried || bytes.length > FLIPPED_BYTES_MAX) return false;
    const name = toHex(address);
    const cost = flipBackCost(bytes.length);
    if (this.#futile.has(name) || cost > this.#leftBytes) return false;
    this.#leftBytes -= cost;
    const isWhole = await paced(flipBack(bytes, address), { pace: this.#context.pace });
    if (!isWhole) this.#futile.add(name);
    return isWhole;
  }

  /** At once, as the pack may be gone or closed by the next turn. */
  #lostIn(pack: number, length: number): LostFrame[] {
    const { store } = this.#context;
    const file = store.packs.file(pack);
    const lost: LostFrame[] = [];
    for (
      const found of scanFrames(file, { from: PACK_HEADER_BYTES, end: length }, { verify: false })
    ) {
      if (found.what === "torn") break;
      const offset = found.offset + FRAME_HEADER_BYTES;
      if (found.what === "junk") {
        const bytes = new Uint8Array(FRAME_HEADER_BYTES);
        file.readAt(found.offset, bytes);
        const header = headerBeforeFlip(bytes);
        if (header !== null && offset + header.length <= length) {
          lost.push({ header, pack, offset });
        }
      } else if (found.what === "damaged" || found.header.kind === "public") {
        lost.push({ header: found.header, pack, offset });
      }
    }
    return lost.filter(({ header }) => !store.hasSync(header.address));
  }

  /** Puts those that can be made whole, and enters the records that could not be read without them. */
  async #enterLost(lost: readonly LostFrame[]): Promise<Address[]> {
    const { store, gate } = this.#context;
    const entered: Address[] = [];
    let hasLists = false;
    for (const { header, pack, offset } of lost) {
      const { kind, address, length } = header;
      if (store.hasSync(address)) continue;
      const bytes = this.#read({ address, label: null, kind, pack, offset, length });
      if (bytes === null) continue;
      const isWhole = equalBytes(sha256(bytes), address);
      if (!isWhole && !await this.#flipBack(bytes, header)) continue;
      // Nobody vouches for what stands behind something damaged: see the recovery of packs.
      const known = kind === "sealed" ? "held" : kind;
      await gate.share(async () => {
        await store.put({ kind: known, address, pieces: [bytes] });
        await store.flush();
      });
      entered.push(address);
      hasLists ||= kind === "public";
    }
    if (hasLists) this.#enterLeft();
    return entered;
  }

  /** Segments that lie in the packs and could not be entered, as a list that they name was damaged, may be by now. */
  #enterLeft(): void {
    const { database, store, index, entrance } = this.#context;
    if (entrance.problems.length === 0) return;
    database.guard(() => {
      const left = store.index.packs()
        .flatMap(({ number }) =>
          store.index.inPack(number).filter(({ kind, address }) =>
            kind === "segment" && index.findSegment(address) === null
          )
        )
        .map((frame) => ({ address: frame.address, bytes: store.readFrame(frame) }));
      entrance.problems.length = 0;
      database.transaction(() => entrance.enter(left, (address) => store.getSync(address)));
    });
  }
}
