/**
 * A node's index as a file that outlives its program. What a crash leaves of it is what SQLite leaves: its file and its
 * log of writes, of which the end may be missing, in the state of that moment or of an earlier one. Other nodes have
 * theirs in memory, so that each of their starts makes it anew.
 *
 * @module
 */

import { join } from "@std/path";
import type { Bytes } from "../../src/base/mod.ts";
import type { Dice } from "../soak/dice.ts";

/** The database and its log of writes, as bytes. */
type Image = readonly [file: Bytes, log: Bytes];

const NOTHING: Image = [new Uint8Array(), new Uint8Array()];

/** See the module. */
export class IndexFile {
  readonly #folder = Deno.makeTempDirSync({ prefix: "govault-sim-" });
  #lives = 0;
  /** What the next life finds, if it is not what the last one left. */
  #left: Image | null = null;
  #kept: Image = NOTHING;

  /** The path for a new life: it finds what is there, while the last one, that was killed, may still have its own open. */
  begin(): string {
    const [file, log] = this.#left ?? this.#image();
    this.#left = null;
    this.#lives++;
    if (file.length > 0) Deno.writeFileSync(this.#path, file);
    if (log.length > 0) Deno.writeFileSync(`${this.#path}-wal`, log);
    return this.#path;
  }

  get #path(): string {
    return join(this.#folder, `${this.#lives}.db`);
  }

  #image(): Image {
    return [bytesOf(this.#path), bytesOf(`${this.#path}-wal`)];
  }

  /** Keeps a copy of how it is. */
  keep(): void {
    this.#kept = this.#image();
  }

  /** What a crash leaves is that copy: the disk had written nothing of it since. */
  setBack(): void {
    this.#left = this.#kept;
  }

  /** The power is cut: of the log of writes, which is not synced, the end is lost. */
  cutPower(dice: Dice): void {
    const [file, log] = this.#left ?? this.#image();
    this.#left = [file, log.subarray(0, dice.below(log.length + 1))];
  }

  /** It is gone, as its disk is another one. */
  lose(): void {
    this.#left = NOTHING;
  }

  /** The world has ended. */
  remove(): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

function bytesOf(path: string): Bytes {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}
