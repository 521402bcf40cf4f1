import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromHex, toHex, VaultError } from "../../src/base/mod.ts";
import { keyOfPhrase, PHRASE_WORDS, phraseOfKey } from "../../src/seal/mod.ts";
import vectors from "../vectors/keys.json" with { type: "json" };
import bip39 from "../vectors/published/bip-39.json" with { type: "json" };

Deno.test("phraseOfKey, keyOfPhrase: agree with BIP-39's vectors, both ways", () => {
  const pairs = [
    ...bip39.vectors,
    ...vectors.vaults.map(({ masterKey, phrase }) => ({ entropy: masterKey, phrase })),
  ];
  for (const { entropy, phrase } of pairs) {
    assertEquals(phraseOfKey(fromHex(entropy)), phrase);
    assertEquals(toHex(keyOfPhrase(phrase)), entropy);
    assertEquals(phrase.split(" ").length, PHRASE_WORDS);
  }
});

Deno.test("keyOfPhrase: takes phrases as people type and paste them", () => {
  for (const { name, text, key } of vectors.phrases.good) {
    assertEquals(toHex(keyOfPhrase(text)), key, name);
  }
});

Deno.test("keyOfPhrase: refuses bad phrases, each for its reason, and quotes no word of them", () => {
  for (const vector of vectors.phrases.bad) {
    const error = assertThrows(() => keyOfPhrase(vector.text), VaultError);
    assertEquals(error.code, "usage", vector.name);
    assert(error.message.includes(vector.state), `${vector.name}: ${error.message}`);
    assert(error.cause === undefined, vector.name);
    if (vector.hint !== undefined) assert(error.hint?.includes(vector.hint), vector.name);
    const typed = vector.text.match(/[a-z]{6,}/g) ?? [];
    assert(!typed.some((word) => error.message.includes(word)), vector.name);
  }
});

Deno.test("keyOfPhrase: names the nearest word", () => {
  const words = vectors.vaults[0]!.phrase.split(" ");
  const typos = [["abandn", "abandon"], ["zooo", "zoo"], ["yelow", "yellow"], [
    "actresss",
    "actress",
  ]];
  for (const [typo, word] of typos) {
    const error = assertThrows(() => keyOfPhrase(words.with(3, typo!).join(" ")), VaultError);
    assertEquals(error.message, "Cannot read the recovery phrase: word 4 is not one of the list");
    assertEquals(error.hint, `did you mean "${word}"?`);
  }
});

Deno.test("phraseOfKey: refuses a key of another length", () => {
  for (const length of [0, 16, 31, 33]) {
    const error = assertThrows(() => phraseOfKey(new Uint8Array(length)), VaultError);
    assertEquals(error.code, "damaged");
  }
});
