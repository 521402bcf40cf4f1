/**
 * The recovery phrase: the master key as 24 English words (BIP-39), for paper.
 *
 * @module
 */

import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlist";
import { type Bytes, editDistance, VaultError } from "../base/mod.ts";
import { SECRET_BYTES } from "./derive.ts";

/** Words of a recovery phrase: 256 bits of key and 8 of checksum, 11 to a word. */
export const PHRASE_WORDS = 24;

/**
 * The 24 words of a master key, with single spaces between them.
 *
 * @throws VaultError `damaged` if the key has not 32 bytes
 */
export function phraseOfKey(masterKey: Bytes): string {
  if (masterKey.length !== SECRET_BYTES) {
    throw new VaultError(
      "damaged",
      `Cannot make a recovery phrase: the key has ${masterKey.length} bytes, ${SECRET_BYTES} expected`,
    );
  }
  return entropyToMnemonic(masterKey, wordlist);
}

/**
 * The master key of a phrase as people type or paste one: in any case, with white space, commas, line breaks and
 * numbers ("1. word") between the words.
 *
 * @throws VaultError `usage`, never quoting a word that was typed
 */
export function keyOfPhrase(text: string): Bytes {
  const words = wordsOf(text);
  if (words.length !== PHRASE_WORDS) {
    throw unreadable(`it has ${words.length} words, ${PHRASE_WORDS} expected`);
  }
  words.forEach((word, index) => {
    if (wordlist.includes(word)) return;
    const state = `word ${index + 1} is not one of the list`;
    throw unreadable(state, `did you mean "${nearestWord(word)}"?`);
  });
  try {
    return new Uint8Array(mnemonicToEntropy(words.join(" "), wordlist));
  } catch {
    // Words and their number are right, so this is the checksum. No cause: it may quote the words.
    throw unreadable("its checksum is wrong", "look for a wrong word or two that changed places");
  }
}

function wordsOf(text: string): string[] {
  return text.normalize("NFKC").toLowerCase().split(/[\s,;]+/)
    .map((part) => part.replace(/^\d+[.):]?/, ""))
    .filter((word) => word !== "");
}

function unreadable(state: string, hint?: string): VaultError {
  const options = hint === undefined ? {} : { hint };
  return new VaultError("usage", `Cannot read the recovery phrase: ${state}`, options);
}

/**
 * The word of the list with the fewest letters added, left out, changed or swapped; of several the one that begins most
 * like what was typed, as four letters tell any two words of the list apart.
 */
function nearestWord(typed: string): string {
  const start = typed.slice(0, 16); // no word of the list has more than 8 letters
  let nearest = "";
  let lowest = Infinity;
  for (const word of wordlist) {
    const difference = 10 * editDistance(start, word) - sharedStart(start, word);
    if (difference < lowest) [nearest, lowest] = [word, difference];
  }
  return nearest;
}

function sharedStart(a: string, b: string): number {
  let length = 0;
  while (length < b.length && a[length] === b[length]) length++;
  return length;
}
