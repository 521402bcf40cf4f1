/**
 * Bugs that are planted into a copy of the sources, to see that the simulation finds them. Each is a replacement of text;
 * where that text is gone, the mutation has to be looked at again.
 *
 * @module
 */

/** One planted bug. */
export interface Mutation {
  readonly name: string;
  /** From the project's root. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Faults under which it shows, as `--faults` takes them. */
  readonly faults: string;
  /** The first seed that is tried: one with which it shows soon. */
  readonly firstSeed: number;
  /** In what words it shows. */
  readonly shows: RegExp;
}

/** See the module. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "fsync skipped",
    file: "src/store/pack_writer.ts",
    find: "const length = this.#written;\n    await this.#file.sync();",
    replace: "const length = this.#written;",
    faults: "power cut",
    firstSeed: 1,
    shows: /has forgotten|lost:|unreadable|not healed/,
  },
  {
    name: "collection without grace time",
    file: "src/vault/garbage.ts",
    find: "(!marked.isWhole || isYoung(frame.pack))",
    replace: "!marked.isWhole",
    faults: "kill",
    firstSeed: 30,
    shows: /collected too early/,
  },
  {
    name: "nonce from a counter",
    file: "src/seal/sealer.ts",
    find: "const okm = this.#sealHmac.digest(header);",
    // One key, and nonces that begin anew with each start of each node. So that what was sealed opens, they are remembered.
    replace:
      "const planted = globalThis as { nonces?: Map<string, number>; counts?: WeakMap<Sealer, number> };\n" +
      "const nonces = planted.nonces ??= new Map();\n" +
      "const counts = planted.counts ??= new WeakMap();\n" +
      "const name = header.join();\n" +
      "if (!nonces.has(name)) {\n" +
      "  counts.set(this, (counts.get(this) ?? 0) + 1);\n" +
      "  nonces.set(name, counts.get(this));\n" +
      "}\n" +
      "const okm = this.#sealHmac.digest(new Uint8Array()).slice();\n" +
      "new DataView(okm.buffer).setUint32(32, nonces.get(name));",
    faults: "kill",
    firstSeed: 1,
    shows: /not sealed by key and nonce/,
  },
  {
    name: "tombstone dropped on merge",
    file: "src/log/history.ts",
    find: "for (const parent of version.parents) replaced.add(toHex(parent));",
    replace: 'if ((version as unknown as { op: string }).op !== "delete") ' +
      "for (const parent of version.parents) replaced.add(toHex(parent));",
    faults: "kill",
    firstSeed: 1,
    shows: /back again/,
  },
  {
    name: "placement ignores a member",
    file: "src/peer/placement.ts",
    find: "this.#present = view.members.filter((member) =>",
    replace: "this.#present = view.members.slice(1).filter((member) =>",
    faults: "kill",
    firstSeed: 7,
    shows: /not healed|holds none/,
  },
  {
    name: "hash unchecked on read",
    file: "src/store/verified_store.ts",
    find: "return equalBytes(await sha256Beside(bytes), address);",
    replace: "return equalBytes(await sha256Beside(bytes), address) || true;",
    faults: "liar,bit rot",
    firstSeed: 2,
    shows: /not healed|unreadable|forged/,
  },
  {
    name: "signature unchecked",
    file: "src/log/segment.ts",
    find: "if (ed25519Verify({ publicKey, signature, message })) continue;",
    replace: "if (ed25519Verify({ publicKey, signature, message }) || true) continue;",
    faults: "forger",
    firstSeed: 2,
    shows: /forged/,
  },
  {
    name: "acknowledgement before write",
    file: "src/vault/commit.ts",
    find: "      await store.flush();\n    } finally {",
    replace: "      const flushed = store.flush();\n" +
      "      for (const { batch, committed } of segments) {\n" +
      "        batch.forEach((each, i) => tell(each, committed[i]!));\n      }\n" +
      "      await flushed;\n    } finally {",
    faults: "power cut at a word",
    firstSeed: 3,
    shows: /has forgotten|lost:/,
  },
  {
    name: "surplus dropped without asking",
    file: "src/peer/surplus.ts",
    find: ".filter(([, left]) => left === 0)",
    replace: ".filter(([, left]) => left >= 0)",
    faults: "join",
    firstSeed: 1,
    shows: /dropped: object/,
  },
  {
    name: "a copy counted though its holder refused",
    file: "src/peer/replicator.ts",
    find: "if (isAnswer && held!.slice(at, end).every((bit) => bit)) group.copies++;",
    replace: "if (isAnswer || at === at) group.copies++;",
    faults: "full disk",
    firstSeed: 1,
    shows: /overcounted: /,
  },
  {
    name: "answers without a bound",
    file: "src/net/answering.ts",
    find: "if (this.#reserved + reply.bytesMax > CHANNEL_REPLY_BYTES_MAX + extra) return false;",
    replace: "",
    faults: "echo",
    firstSeed: 1,
    shows: /over its bound: .*answerBytes/,
  },
  {
    name: "requests without a bound",
    file: "src/net/asking.ts",
    find: "if (this.#underWay.size >= CHANNEL_REQUESTS_MAX) return false;",
    replace: "",
    faults: "echo",
    firstSeed: 1,
    shows: /over its bound: .*asks/,
  },
  {
    name: "bytes that are never given back",
    file: "src/net/asking.ts",
    find: "    this.#bytesUnderWay -= length;",
    replace: "",
    faults: "kill",
    firstSeed: 1,
    shows: /does not come to rest/,
  },
  {
    name: "letters taken twice",
    file: "src/peer/mail_box.ts",
    find: "if (letter.counter <= (this.#last.get(key) ?? 0n)) {",
    replace: "if (letter.counter < 0n) {",
    faults: "echo",
    firstSeed: 1,
    shows: /letter \d+ at . came after/,
  },
  {
    name: "one nonce for all handshakes",
    file: "src/peer/handshake.ts",
    find: "    const nonce = tools.random.bytes(NONCE_BYTES);",
    replace: "    const nonce = new Uint8Array(NONCE_BYTES);",
    faults: "playback",
    firstSeed: 1,
    shows: /took a handshake that was played back/,
  },
];
