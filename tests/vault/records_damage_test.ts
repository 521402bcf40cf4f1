/** Records that are damaged on a node, while others have them whole. */

import { assertEquals } from "@std/assert";
import type { Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  collect,
  failure,
  flipBit,
  hex,
  keyNames,
  packFrames,
  randomBytes,
  read,
  type TempFolder,
} from "./helpers.ts";
import {
  carryLogs,
  OtherNode,
  ownerNode,
  reopen,
  strangerNode,
  type TestNode,
} from "./peer_helpers.ts";

for (
  const [what, check] of Object.entries<(vault: Vault, folder: TempFolder) => Promise<void>>({
    list: async (vault) => assertEquals(await keyNames(vault), ["a", "b/c", "b/d"]),
    history: async (vault) => {
      const versions = await vault.history("a");
      assertEquals(versions.map(({ damaged, size }) => [damaged, size]), [[false, 10], [
        false,
        20,
      ]]);
    },
    get: async (vault) => assertSameBytes(await read(vault, "a"), randomBytes(20)),
    restore: async (vault) =>
      assertEquals((await vault.restore("a", { kind: "number", number: 1 })).op, "restore"),
    versionsOfNode: async (vault) => {
      const found = await vault.versionsOfNode(hex(vault.peerSide().nodeId));
      assertEquals(found.map(({ key, damaged }) => `${key} ${damaged}`), [
        ...["a false", "b/c false", "b/d false"],
      ]);
    },
    getTree: async (vault, folder) => {
      const outcomes = await collect(vault.getTree("b", folder.at("tree")));
      assertEquals(outcomes.filter((outcome) => "error" in outcome), []);
      assertSameBytes(Deno.readFileSync(folder.at("tree", "c")), randomBytes(30));
      assertSameBytes(Deno.readFileSync(folder.at("tree", "d")), randomBytes(40));
    },
    tags: async (vault) => assertEquals((await vault.tags()).map(({ name }) => name), ["moment"]),
  })
) {
  Deno.test(`${what}: records that are damaged here are taken from another node, and are whole here after it`, async () => {
    const node = await strangerNode();
    await using other = await ownerNode(node.vault);
    await using _ = node as TestNode;
    await node.vault.put("a", randomBytes(10));
    await node.vault.put("a", randomBytes(20));
    await node.vault.put("b/c", randomBytes(30));
    await node.vault.put("b/d", randomBytes(40));
    await node.vault.tag("moment");
    await carryLogs(node.vault, other.vault);
    await reopen(node);
    const segments = packFrames(node.folder).filter(({ kind }) => kind === "segment");
    assertEquals(segments.length, 5);
    for (const { path, offset, length } of segments) flipBit(path, offset + length - 200);
    const remote = new OtherNode(other.vault);
    remote.isUp = false;
    await node.vault.attach(remote);
    await failure("damaged", () => keyNames(node.vault));
    remote.isUp = true;
    await check(node.vault, node.folder);
    await reopen(node);
    await check(node.vault, node.folder);
    await reopen(node, { hasIndex: false });
    await check(node.vault, node.folder);
  });
}
