import { assertEquals, assertThrows } from "@std/assert";
import {
  concatBytes,
  fromHex,
  parseKey,
  SEGMENT_BODY_BYTES_MAX,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  type Body,
  type ContentBody,
  decodeBodies,
  encodeBodies,
  hasBody,
  parseTagName,
  RECORD_KINDS,
  type RecordKind,
} from "../../src/log/mod.ts";
import { assertAllRefused, assertStrict, type BadVector, loadVectors } from "./helpers.ts";

type ManifestJson = { inline: string } | { reference: string };
type BodyJson =
  | Omit<ContentBody, "manifest"> & { manifest: ManifestJson }
  | Exclude<Body, ContentBody>;

const { bodies: vectors } = loadVectors<{
  bodies: {
    good: { name: string; bodies: BodyJson[]; bytes: string }[];
    bad: (BadVector & { kinds: RecordKind[] })[];
  };
}>("segment");

function bodyOf(json: BodyJson): Body {
  if (!("manifest" in json)) return json;
  const { manifest } = json;
  return {
    ...json,
    manifest: "inline" in manifest
      ? { inline: fromHex(manifest.inline) }
      : { reference: fromHex(manifest.reference) },
  };
}

function bodyJson(body: Body): BodyJson {
  if (!("manifest" in body)) return body;
  const { manifest } = body;
  return {
    ...body,
    manifest: "inline" in manifest
      ? { inline: toHex(manifest.inline) }
      : { reference: toHex(manifest.reference) },
  };
}

const put: ContentBody = {
  kind: "put",
  key: parseKey("a"),
  type: "file",
  mode: 0o644,
  mtime: 0,
  target: "",
  size: 0,
  addedBytes: 0,
  chunks: 0,
  manifest: { inline: new Uint8Array(13) },
};

Deno.test("encodeBodies, decodeBodies: good vectors", () => {
  for (const { name, bodies, bytes } of vectors.good) {
    assertEquals(toHex(encodeBodies(bodies.map(bodyOf))), bytes, name);
    const kinds = bodies.map((body) => body.kind);
    assertEquals(decodeBodies(fromHex(bytes), kinds).map(bodyJson), bodies, name);
  }
});

Deno.test("decodeBodies: bad vectors are refused", () => {
  assertAllRefused(vectors.bad, (bytes, { kinds }) => decodeBodies(bytes, kinds));
});

Deno.test("decodeBodies: is strict", () => {
  for (const { bodies, bytes } of vectors.good.filter((vector) => vector.bytes !== "")) {
    const kinds = bodies.map((body) => body.kind);
    assertStrict(fromHex(bytes), (changed) => encodeBodies(decodeBodies(changed, kinds)));
  }
});

Deno.test("encodeBodies: the encoding of several is the encodings of each, joined", () => {
  const bodies: Body[] = [put, { kind: "prune" }, { kind: "tag", name: "t", moment: 5 }];
  assertEquals(
    toHex(encodeBodies(bodies)),
    toHex(concatBytes(bodies.map((body) => encodeBodies([body])))),
  );
});

Deno.test("encodeBodies: refuses what could not be decoded", () => {
  const cases: [Partial<Omit<ContentBody, "kind">>, string][] = [
    [{ key: "" as ContentBody["key"] }, "it is empty"],
    [{ key: "A\u030a" as ContentBody["key"] }, "not in normal form"],
    [{ mode: 0o10000 }, "the mode is out of range"],
    [{ mode: 0.5 }, "the mode is out of range"],
    [{ mtime: 0.5 }, "the time of last change is out of range"],
    [{ mtime: NaN }, "the time of last change is out of range"],
    [{ target: "x" }, "a file with a link target"],
    [{ type: "link" }, "a link without a target"],
    [{ type: "link", target: "\ud800" }, "the link target is not valid Unicode"],
    [{ type: "link", target: "x".repeat(65_536) }, "the link target is too long"],
    [{ size: -1 }, "the size is out of range"],
    [{ addedBytes: 2 ** 53 }, "the added bytes are out of range"],
    [{ chunks: 2 ** 32 }, "the number of chunks is out of range"],
    [{ manifest: { inline: new Uint8Array(0) } }, "an empty manifest"],
    [{ manifest: { inline: new Uint8Array(2049) } }, "an inline manifest of 2049 bytes"],
    [{ manifest: { reference: new Uint8Array(71) } }, "reference is not 72 bytes"],
  ];
  for (const [change, why] of cases) {
    const error = assertThrows(() => encodeBodies([{ ...put, ...change }]), VaultError, why);
    assertEquals(error.code, "failed", why);
  }
  assertThrows(
    () => encodeBodies([{ kind: "tag", name: "t", moment: Infinity }]),
    VaultError,
    "the moment is out of range",
  );
});

Deno.test("encodeBodies, decodeBodies: more than a segment takes is refused", () => {
  const large = { ...put, manifest: { inline: new Uint8Array(2048) } };
  const bodies = Array<Body>(Math.ceil(SEGMENT_BODY_BYTES_MAX / 2048)).fill(large);
  assertThrows(() => encodeBodies(bodies), VaultError, "the limit is 1048576");
  assertThrows(
    () => decodeBodies(new Uint8Array(SEGMENT_BODY_BYTES_MAX + 1), []),
    VaultError,
    "too many",
  );
  const kinds = Array<RecordKind>(1025).fill("untag");
  assertThrows(() => decodeBodies(new Uint8Array(4 * 1025), kinds), VaultError, "limit of 1024");
});

Deno.test("hasBody: all kinds but prune and untag", () => {
  assertEquals(RECORD_KINDS.filter(hasBody), ["put", "delete", "restore", "tag"]);
});

Deno.test("parseTagName: normalises, and refuses what is no name", () => {
  assertEquals(parseTagName("A\u030a 1"), "\u00c5 1");
  assertEquals(parseTagName("x".repeat(4096)).length, 4096);
  for (const bad of ["", "a\nb", "a\0", "\u009b", "\udc00", "x".repeat(4097)]) {
    assertEquals(assertThrows(() => parseTagName(bad), VaultError).code, "usage");
  }
});
