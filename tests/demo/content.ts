/** The demo's file, and the edits that are made to it. */

/** A paragraph nobody else writes: if it lies in the clear somewhere, it is found. */
export const PARAGRAPH =
  "Found today: a brass theodolite, maker's mark worn, under the third stair.\n";

/** Bytes per stretch of one kind of content. */
const STRETCH_BYTES = 2_000_000;

/** Stretches of log lines and of random bytes, in turn. */
export function mixedContent(length: number): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(length);
  for (let offset = 0, n = 0; offset < length; offset += STRETCH_BYTES, n++) {
    const stretch = content.subarray(offset, offset + STRETCH_BYTES);
    if (n % 2 === 0) fillWithLog(stretch, n);
    else fillWithRandom(stretch);
  }
  return content;
}

function fillWithLog(into: Uint8Array, day: number): void {
  const encoder = new TextEncoder();
  const stations = ["north ridge", "mill pond", "old quarry", "lighthouse"];
  for (let offset = 0, n = 0; offset < into.length; n++) {
    const time = new Date(Date.UTC(2026, 0, 1 + day, 0, 0, n)).toISOString();
    const value = ((n * 2654435761) % 1000) / 10;
    const line = `${time} station="${stations[n % 4]}" reading=${value} note=${n.toString(36)}\n`;
    offset += encoder.encodeInto(line, into.subarray(offset)).written || into.length;
  }
}

function fillWithRandom(into: Uint8Array): void {
  for (let offset = 0; offset < into.length; offset += 65536) { // the most that one call gives
    crypto.getRandomValues(into.subarray(offset, offset + 65536));
  }
}

/** Where the edits lie, as shares of the file. */
const EDITS = [0.07, 0.23, 0.41, 0.68, 0.94];

/** The content with a few bytes changed at five places and {@link PARAGRAPH} put into the middle. */
export function edited(content: Uint8Array): Uint8Array<ArrayBuffer> {
  const paragraph = new TextEncoder().encode(PARAGRAPH);
  const middle = content.length >> 1;
  const out = new Uint8Array(content.length + paragraph.length);
  out.set(content);
  for (const share of EDITS) out.set(changedLine(), Math.floor(share * content.length));
  out.set(out.slice(middle, content.length), middle + paragraph.length);
  out.set(paragraph, middle);
  return out;
}

function changedLine(): Uint8Array {
  return new TextEncoder().encode("\ncorrected on the way home\n");
}

/** How many bytes {@link edited} puts in that were not there. */
export function differenceInBytes(before: Uint8Array, after: Uint8Array): number {
  return after.length - before.length + EDITS.length * changedLine().length;
}
