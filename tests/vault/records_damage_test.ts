/** Records that are damaged on a node, while others have them whole. */

import { assertEquals } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
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

/** A node whose records are all damaged, attached to another one that has them whole. */
async function damagedAndWhole() {
  const node: TestNode = await strangerNode();
  const other = await ownerNode(node.vault);
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
  await node.vault.attach(remote);
  return {
    node,
    remote,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

for (
  const [what, check] of Object.entries<(vault: Vault, folder: TempFolder) => Promise<void>>({
    list: async (vault) => assertEquals(await keyNames(vault), ["a", "b/c", "b/d"]),
    history: async (vault) => {
      const versions = await vault.history("a");
      assertEquals(versions.map(({ damaged, size }) => `${damaged} ${size}`), [
        "false 10",
        "false 20",
      ]);
    },
    get: async (vault) => assertSameBytes(await read(vault, "a"), randomBytes(20)),
    restore: async (vault) =>
      assertEquals((await vault.restore("a", { kind: "number", number: 1 })).op, "restore"),
    versionsOfNode: async (vault) => {
      const found = await vault.versionsOfNode(hex(vault.peerSide().nodeId));
      assertEquals(found.map(({ key }) => key), ["a", "b/c", "b/d"]);
      assertEquals(found.some(({ damaged }) => damaged), false);
    },
    getTree: async (vault, folder) => {
      const outcomes = await collect(vault.getTree("b", folder.at("tree")));
      assertEquals(outcomes.filter((outcome) => "error" in outcome), []);
      assertSameBytes(Deno.readFileSync(folder.at("tree", "c")), randomBytes(30));
      assertSameBytes(Deno.readFileSync(folder.at("tree", "d")), randomBytes(40));
    },
    fetchAll: async (vault) => assertEquals((await vault.fetchAll()).missing, 0),
    tags: async (vault) => assertEquals((await vault.tags()).map(({ name }) => name), ["moment"]),
  })
) {
  Deno.test(`${what}: records that are damaged here are taken from another node, and are whole here after it`, async () => {
    await using nodes = await damagedAndWhole();
    const { node, remote } = nodes;
    remote.isUp = false;
    await failure("damaged", () => keyNames(node.vault));
    remote.isUp = true;
    await check(node.vault, node.folder);
    await reopen(node);
    await check(node.vault, node.folder);
    await reopen(node, { hasIndex: false });
    await check(node.vault, node.folder);
  });
}

Deno.test("list, fetchAll: what can't be taken from another node, or not be kept, does not hide the rest", async () => {
  await using nodes = await damagedAndWhole();
  const { node: { vault }, remote } = nodes;
  remote.isUp = false;
  assertEquals((await vault.fetchAll()).missing, 4);
  await vault.put("new", randomBytes(50));
  remote.fetch = () => Promise.reject(new VaultError("no_space", "Cannot write: no space is left"));
  const names: string[] = [];
  await failure("damaged", async () => {
    for await (const { key } of vault.list()) names.push(key);
  });
  assertEquals(names, ["new"]);
});
