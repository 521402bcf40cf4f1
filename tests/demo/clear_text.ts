/** Looks for a file's name and content in the clear, in all that a home holds. */

import { join } from "@std/path";
import { PARAGRAPH } from "./content.ts";

/** Bytes of the samples that are taken of the content: long enough that none is met by chance. */
const SAMPLE_BYTES = 24;
const SAMPLES = 40;

/** What was searched, and which of the two was found. */
export interface Finding {
  files: number;
  bytes: number;
  found: ("name" | "content")[];
}

/** Searches every file of a folder, and their names, for a name and for samples of a content. */
export async function clearText(
  home: string,
  { name, content }: { name: string; content: Uint8Array },
): Promise<Finding> {
  const finding: Finding = { files: 0, bytes: 0, found: [] };
  const samples = [PARAGRAPH.trim(), ...samplesOf(content)];
  for await (const path of filesUnder(home)) {
    const bytes = latin1(await Deno.readFile(path));
    finding.files++;
    finding.bytes += bytes.length;
    if (path.includes(name) || bytes.includes(name)) finding.found.push("name");
    if (samples.some((sample) => bytes.includes(sample))) finding.found.push("content");
  }
  return finding;
}

function samplesOf(content: Uint8Array): string[] {
  return Array.from({ length: SAMPLES }, (_, i) => {
    const offset = Math.floor((i + 0.5) / SAMPLES * (content.length - SAMPLE_BYTES));
    return latin1(content.subarray(offset, offset + SAMPLE_BYTES));
  });
}

/** Bytes as a string of as many characters, so that bytes can be searched for by `includes`. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return text;
}

async function* filesUnder(folder: string): AsyncIterable<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* filesUnder(path);
    else yield path;
  }
}
