/** A set of rows of an index, of which there may be millions: one bit each. */
export class RowSet {
  readonly #bits: Uint8Array;

  /** @param lastRow the highest row that it can hold; of others it takes no notice */
  constructor(lastRow: number) {
    this.#bits = new Uint8Array((lastRow >>> 3) + 1);
  }

  add(row: number): void {
    this.#bits[row >>> 3]! |= 1 << (row & 7);
  }

  has(row: number): boolean {
    return (this.#bits[row >>> 3]! & (1 << (row & 7))) !== 0;
  }
}
