/** What people and files say: key files, phrases, settings, the network file, the words of a command line. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Disk,
  encodeUtf8,
  formatHostPort,
  fromHex,
  parseHostPort,
  parseIdPrefix,
  parseKey,
  parsePrefix,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { parseCommandLine } from "../../src/cli/args.ts";
import { COMMANDS } from "../../src/cli/commands/mod.ts";
import {
  readCount,
  readHostPort,
  readIdPrefix,
  readPercent,
  readPort,
  readSeconds,
  readSize,
  readSpan,
  readTime,
  readVersion,
} from "../../src/cli/values.ts";
import { parseTagName } from "../../src/log/mod.ts";
import { decodeNetworkFile, encodeNetworkFile, foundNetwork } from "../../src/peer/mod.ts";
import {
  decodeKeyFile,
  encodeKeyFile,
  isProtected,
  keyOfPhrase,
  phraseOfKey,
} from "../../src/seal/mod.ts";
import { readSettings } from "../../src/vault/home.ts";
import {
  AUTHORITY,
  memberOf,
  NETWORK,
  randomOf,
  seedOf,
  signerOf,
  T0,
} from "../peer/statements_helpers.ts";
import { anyId } from "./changes.ts";
import type { Target } from "./harness.ts";
import { STATEMENTS } from "./peer_targets.ts";

const NODE = signerOf("fuzzed");
/** What texts may take: their own length many times, as JSON makes objects of them. */
const allocates = (length: number) => 64 * length + 64 * 1024;

/** One protected file, as making one takes half a second. */
const PROTECTED = await encodeKeyFile(
  { kind: "vault", secret: seedOf("protected"), passphrase: "fuzzed" },
  randomOf("key file"),
);

const keyText = fc.tuple(fc.constantFrom("vault", "node", "network"), anyId)
  .map(([kind, secret]) => JSON.stringify({ format: 1, kind, secret: toHex(secret) }) + "\n");

/** The kind that a key file says it is of, as the name of the file would. */
function kindIn(text: string): "vault" | "node" | "network" {
  return text.includes('"node"') ? "node" : text.includes('"network"') ? "network" : "vault";
}

const keyFile: Target<string> = {
  name: "decodeKeyFile",
  covers: ["decodeKeyFile"],
  valid: keyText,
  async recode(text) {
    if (isProtected(text)) return null; // unlocking is tried apart: it takes long on purpose
    const kind = kindIn(text);
    const secret = await decodeKeyFile(text, { kind, passphrase: () => "" });
    const again = await encodeKeyFile({ kind, secret }, randomOf("none is needed"));
    assertEquals(await decodeKeyFile(again, { kind, passphrase: () => "" }), secret);
    return again === text ? again : null; // JSON has many writings
  },
  allocates,
};

const protectedKeyFile: Target<string> = {
  name: "isProtected",
  covers: ["decodeKeyFile"],
  valid: fc.constant(PROTECTED),
  recode: (text) => isProtected(text) ? null : text,
  allocates,
};

const phrase: Target<string> = {
  name: "keyOfPhrase",
  covers: ["keyOfPhrase"],
  valid: anyId.map(phraseOfKey),
  recode(text) {
    const key = keyOfPhrase(text);
    const again = phraseOfKey(key);
    assertEquals(keyOfPhrase(again), key);
    return again === text ? again : null; // typed with commas, numbers, capital letters
  },
  codes: ["usage"],
  allocates: () => 16 * 1024 * 1024, // each wrong word is held against the whole list
};

/** A disk of one small file. */
function diskOf(text: string): Disk {
  const bytes = encodeUtf8(text);
  const file = {
    size: () => bytes.length,
    readAt: (offset: number, into: Uint8Array) => {
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
    close() {},
  };
  return { stat: () => ({ size: bytes.length, mtime: 0 }), open: () => file } as unknown as Disk;
}

const settings: Target<string> = {
  name: "readSettings",
  covers: ["readSettings"],
  valid: fc.constantFrom('{"format":1}\n', '{"format":1,"padding":true}\n'),
  recode(text) {
    const { padding } = readSettings("home", diskOf(text));
    assertEquals(typeof padding, "boolean");
    const again = JSON.stringify({ format: 1, ...(padding ? { padding } : {}) }) + "\n";
    return again === text ? again : null;
  },
  codes: ["damaged", "failed"],
  allocates,
};

const networkText = fc.record({
  statements: fc.array(STATEMENTS, { maxLength: 3 }),
  addresses: fc.array(fc.constantFrom("a.example:1", "[::1]:3000"), { maxLength: 3 }),
  port: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 65_535 })),
  mailCounter: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  isMember: fc.boolean(),
}).map(({ statements, isMember, ...rest }) => {
  const state = foundNetwork({
    networkId: NETWORK.networkId,
    secret: seedOf("secret"),
    authority: AUTHORITY,
    nodeKey: NODE.publicKey,
    nowMs: T0,
  });
  state.roster.merge([memberOf("a"), ...statements]);
  return encodeNetworkFile({ ...state, ...rest, ...(isMember ? {} : { admission: null }) });
});

const networkFile: Target<string> = {
  name: "decodeNetworkFile",
  covers: ["decodeNetworkFile"],
  valid: networkText,
  recode(text) {
    const again = encodeNetworkFile(decodeNetworkFile(text, NODE.publicKey));
    assertEquals(encodeNetworkFile(decodeNetworkFile(again, NODE.publicKey)), again);
    return again === text ? again : null;
  },
  allocates,
};

/** A parser of names: what it gives, it gives again. */
function nameTarget(
  parse: (text: string) => string,
  codes: Target<string>["codes"],
  extra: readonly string[] = [],
): Target<string> {
  return {
    name: parse.name,
    covers: [parse.name],
    valid: fc.constantFrom("a", "photos/2024/a.jpg", "é/e\u0301", "💾", "..a/.b", ...extra),
    recode(text) {
      const name = parse(text);
      assertEquals(parse(name), name);
      return name === text ? name : null;
    },
    codes,
    allocates,
  };
}

const hostPort: Target<string> = {
  name: "parseHostPort",
  covers: ["parseHostPort"],
  valid: fc.constantFrom("a.example:3000", "[2001:db8::1]:1", "10.0.0.1:65535", "[fe80::1%eth0]:5"),
  recode(text) {
    const again = formatHostPort(parseHostPort(text));
    assertEquals(parseHostPort(again), parseHostPort(text));
    return again === text ? again : null;
  },
  codes: ["usage"],
  allocates,
};

const hex: Target<string> = {
  name: "fromHex",
  covers: ["fromHex"],
  valid: fc.constantFrom("", "00", "0123456789abcdef"),
  recode: (text) => toHex(fromHex(text)) === text.toLowerCase() ? null : "",
  codes: ["usage"],
  allocates,
};

const NOW = Date.UTC(2026, 0, 1);
const isWhole = (min: number, max: number) => (value: unknown) =>
  Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
const isHex = (value: unknown) => /^[0-9a-f]{4,64}$/.test(String(value));
const isShare = (value: unknown) => typeof value === "number" && value > 0 && value <= 1;

/** A value of the command line: what is taken lies where the vault takes it. */
function valueTarget(
  name: string,
  read: (text: string, what: string) => unknown,
  isRight: (value: unknown) => boolean,
  valid: readonly string[],
): Target<string> {
  return {
    name,
    covers: [name],
    valid: fc.constantFrom(...valid),
    recode(text) {
      const value = read(text, "--value");
      assert(isRight(value), `${JSON.stringify(text)} is read as ${String(value)}`);
      return null;
    },
    codes: ["usage"],
    allocates,
  };
}

const TIMES = [
  "2026-01-31",
  "2026-01-31T18:30",
  "2026-12-31T23:59:59.999Z",
  "2024-02-29 00:00+01:00",
];
const SPANS = ["90s", "45m", "2h", "1d12h", "6w", "1y"];

const values: readonly Target<string>[] = [
  valueTarget("readCount", readCount, isWhole(1, 999_999_999), ["1", "007", "999999999"]),
  valueTarget("readSeconds", readSeconds, isWhole(0, 9_999_999_999), ["0", "0.5", "30s"]),
  valueTarget("readSpan", readSpan, isWhole(0, Number.MAX_SAFE_INTEGER), SPANS),
  valueTarget("readSize", readSize, isWhole(0, Number.MAX_SAFE_INTEGER), ["500GiB", "1.5T", "0"]),
  valueTarget("readPort", readPort, isWhole(0, 65_535), ["0", "3000", "65535"]),
  valueTarget("readPercent", readPercent, isShare, ["5%", "100", "0.5%"]),
  valueTarget("readIdPrefix", readIdPrefix, isHex, ["abcd", "ABCDEF0123"]),
  valueTarget("readHostPort", readHostPort, (text) => parseHostPort(String(text)).port > 0, [
    "a.example:3000",
    "[2001:db8::1]:3000",
  ]),
  valueTarget("readVersion", readVersion, (value) => {
    const selector = value as ReturnType<typeof readVersion>;
    if (selector.kind === "number") return isWhole(1, 999_999_999)(selector.number);
    return selector.kind === "id" && isHex(selector.prefix);
  }, ["1", "12", "abcdef"]),
  valueTarget(
    "readTime",
    (text, what) => readTime(text, { what, now: NOW }),
    isWhole(-8.64e15, 8.64e15),
    [...TIMES, ...SPANS],
  ),
  valueTarget(
    "parseIdPrefix",
    (text) => {
      const prefix = parseIdPrefix(text);
      if (prefix === null) throw new VaultError("usage", "Cannot read a prefix: it is none");
      return prefix;
    },
    isHex,
    ["abcd", "ABCDEF0123"],
  ),
];

/** A command line, its words parted by line breaks. */
const commandLine: Target<string> = {
  name: "parseCommandLine",
  covers: ["parseCommandLine", "parseFlags"],
  valid: fc.constantFrom(
    ...["put\nfile\nkey", "get\n-fo\nout\nkey", "ls\n--json\n--at\n2h", "help\nput", "--version"],
    ...["history\nkey\n--json", "prune\n--keep-last\n3\n-n", "put\n--\n-x", "--home\nx\nls"],
  ),
  recode(text) {
    const request = parseCommandLine(text.split("\n"), COMMANDS);
    assert(["help", "version", "run"].includes(request.kind));
    return null;
  },
  codes: ["usage", "bad_key"],
  allocates,
  runs: 600,
};

export const TEXT_TARGETS: readonly Target<string>[] = [
  keyFile,
  protectedKeyFile,
  phrase,
  settings,
  networkFile,
  nameTarget(parseKey, ["bad_key"]),
  nameTarget(parsePrefix, ["bad_key"], ["", "photos/"]),
  nameTarget(parseTagName, ["usage"]),
  hostPort,
  hex,
  ...values,
  commandLine,
];
