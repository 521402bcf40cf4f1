/** Nodes as processes: they find one another, keep each other's files, lose machines and members. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, type Status, until } from "../helpers/cluster.ts";
import { copyHome } from "../vault/helpers.ts";

async function fileOf(cluster: Cluster, name: string, length: number): Promise<string> {
  const path = join(cluster.root, name);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 65_536) {
    crypto.getRandomValues(bytes.subarray(i, Math.min(length, i + 65_536)));
  }
  await Deno.writeFile(path, bytes);
  return path;
}

async function sameBytes(node: ClusterNode, key: string, path: string): Promise<void> {
  const into = `${path}.${node.name}`;
  await node.ok("get", key, "-o", into, "--force");
  assertEquals(await Deno.readFile(into), await Deno.readFile(path), `${key} on ${node.name}`);
}

Deno.test({
  name: "a file stored on one node is read on others after its machine died for good",
  async fn() {
    await using cluster = await Cluster.make();
    const a = await cluster.add("a", { flags: ["--replicas", "2"] });
    const b = await cluster.add("b", { owner: true });
    const c = await cluster.add("c");
    await connected(cluster.nodes);
    const path = await fileOf(cluster, "film.bin", 3_000_000);
    const { copies } = await a.json<{ copies: number }>("put", path, "--copies", "2");
    assert(copies >= 2);
    const history = (await a.ok("history", "film.bin", "--json")).out;
    await a.kill();
    assertEquals((await b.ok("history", "film.bin", "--json")).out, history);
    await sameBytes(b, "film.bin", path);
    const asStored = await c.json<{ keys: unknown[] }>("ls");
    assertEquals(asStored.keys, [], "who only stores sees no names");
    const { code } = await c.run("get", "film.bin", "-o", join(cluster.root, "never"));
    assertEquals(code, 3);
  },
});

Deno.test({
  name: "too few nodes for the copies asked for: exit 5, and the file is stored all the same",
  async fn() {
    await using cluster = await Cluster.make();
    const a = await cluster.add("a");
    const path = await fileOf(cluster, "alone.bin", 10_000);
    const { code, err } = await a.run("put", path, "--copies", "2", "--json");
    assertEquals(code, 5);
    assertEquals(JSON.parse(err.split("\n")[0]!).error.code, "too_few_peers");
    assertMatch(err, /1/);
    await sameBytes(a, "alone.bin", path);
  },
});

Deno.test({
  name: "two sides of a partition put to one key: both stay, and every node picks the same latest",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const path = await fileOf(cluster, "notes.txt", 1000);
    await a.ok("put", path);
    await until(
      "b knows it",
      () => b.json<{ keys: unknown[] }>("ls"),
      ({ keys }) => keys.length === 1,
    );
    await b.stop();
    await a.ok("put", await fileOf(cluster, "notes.txt", 1001));
    await a.stop();
    await b.start();
    await b.ok("put", await fileOf(cluster, "notes.txt", 1002));
    await a.start();
    await connected(cluster.nodes);
    const history = await until(
      "the histories are one",
      async () => [
        (await a.ok("history", "notes.txt", "--json")).out,
        (await b.ok("history", "notes.txt", "--json")).out,
      ],
      ([one, other]) => one === other && one !== undefined && JSON.parse(one).versions.length === 3,
    );
    const { versions } = JSON.parse(history[0]!) as {
      versions: { version: number; conflict: boolean; latest: boolean }[];
    };
    assertEquals(versions.map(({ version }) => version), [1, 2, 2]);
    assertEquals(versions.filter(({ conflict }) => conflict).length, 2);
    assertEquals(versions.filter(({ latest }) => latest).length, 1);
  },
});

Deno.test({
  name: "a deleted file does not come back by a node that was away; a purge frees space everywhere",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const c = await cluster.add("c");
    await connected(cluster.nodes);
    const stored = await a.ok("put", await fileOf(cluster, "old.bin", 2_000_000), "--copies", "3");
    assertMatch(stored.out, / {2}on 3 nodes\n$/);
    await a.ok("put", await fileOf(cluster, "kept.bin", 5_000), "--copies", "3");
    await b.stop();
    await a.ok("delete", "old.bin", "--purge");
    await b.start();
    await connected(cluster.nodes);
    const names = async (node: ClusterNode) =>
      (await node.json<{ keys: { key: string }[] }>("ls")).keys.map(({ key }) => key);
    await until("b has heard of it", () => names(b), (keys) => keys.join() === "kept.bin");
    assertEquals(await names(a), ["kept.bin"]);
    for (const node of [a, b, c]) {
      await until(
        `${node.name} frees the space`,
        () => node.status(),
        ({ storedBytes }: Status) => storedBytes < 500_000,
        { timeoutMs: 120_000 },
      );
    }
  },
});

Deno.test({
  name: "an evicted node is kept out, and the old token lets nobody in",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const c = await cluster.add("c");
    await connected(cluster.nodes);
    const token = (await a.ok("invite")).out.trim();
    const { node } = await c.status();
    await a.ok("evict", node);
    await connected([a, b], 1);
    await until(
      "c is out",
      () => c.status(),
      ({ peers }) => peers.every(({ state }) => state !== "up"),
    );
    await c.stop();
    await c.start();
    const { peers } = await a.status();
    assertEquals(peers.find((peer) => peer.node === node)?.state, "evicted");

    const stranger = await cluster.add("stranger"); // with a new token: welcome
    assertEquals(stranger.isUp, true);
    await connected([a, b], 2);
    await stranger.kill();
    const late = await Deno.makeTempDir({ dir: cluster.root });
    const { code } = await a.run("join", token, "--home", late);
    const other = await a.run("status", "--json", "--home", late);
    assert(
      code === 7 ||
        JSON.parse(other.out).peers.every(({ state }: { state: string }) => state !== "up"),
    );
  },
});

Deno.test({
  name:
    "an owner whose machines are all gone gets everything back from a storage node, by the words",
  async fn() {
    await using cluster = await Cluster.make();
    const a = await cluster.add("a");
    const shed = await cluster.add("shed");
    await connected(cluster.nodes);
    const path = await fileOf(cluster, "will.pdf", 1_200_000);
    await a.ok("put", path, "--copies", "2");
    await Deno.writeFile(path, (await Deno.readFile(path)).slice(0, 900_000));
    await a.ok("put", path, "--copies", "2");
    const phrase = (await a.ok("key", "phrase")).out.trim();
    const history = (await a.ok("history", "will.pdf", "--json")).out;
    await a.kill();
    await Deno.remove(a.home, { recursive: true });

    const token = (await shed.ok("invite")).out.trim();
    const home = join(cluster.root, "new-laptop");
    const recovered = await shed.runWith(
      { stdin: phrase + "\n" },
      ...["recover", "--phrase", "--join", token, "--home", home],
    );
    assertEquals(recovered.code, 0, recovered.err);
    await shed.kill(); // everything has come along
    const into = join(cluster.root, "back.pdf");
    assertEquals((await shed.ok("history", "will.pdf", "--json", "--home", home)).out, history);
    await shed.ok("get", "will.pdf", "-o", into, "--home", home);
    assertEquals(await Deno.readFile(into), await Deno.readFile(path));
  },
});

Deno.test({
  name: "recover --node: what a lost machine had stored, as it stored it last",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const kept = await fileOf(cluster, "kept.bin", 40_000);
    const edited = await fileOf(cluster, "edited.bin", 30_000);
    const asStored = await Deno.readFile(edited);
    await a.ok("put", kept, edited, "--copies", "2");
    const { node } = await a.status();
    await b.ok("put", await fileOf(cluster, "edited.bin", 31_000), "--copies", "2");
    await b.ok("put", await fileOf(cluster, "other.bin", 10_000), "--copies", "2");
    await a.kill();
    const { keys } = await b.json<{ keys: { key: string; version: number }[] }>(
      ...["ls", "--node", node.slice(0, 12)],
    );
    assertEquals(keys.map(({ key, version }) => [key, version]), [
      ["edited.bin", 1],
      ["kept.bin", 1],
    ]);
    const into = join(cluster.root, "rescued");
    await b.ok("recover", "--node", node.slice(0, 12), "-o", into);
    assertEquals(await Deno.readFile(join(into, "kept.bin")), await Deno.readFile(kept));
    assertEquals(await Deno.readFile(join(into, "edited.bin")), asStored);
    assertEquals([...Deno.readDirSync(into)].length, 2);
  },
});

Deno.test({
  name:
    "an older copy of a home in the place of a lost one gets back what that wrote, and forks no log",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const put = async () => a.ok("put", await fileOf(cluster, "diary", 40_000), "--copies", "2");
    await put();
    assertEquals(await a.stop(), 0);
    const copy = join(cluster.root, "copy");
    copyHome(a.home, copy);
    await a.start();
    await connected(cluster.nodes);
    await put();
    await a.kill();
    await Deno.remove(a.home, { recursive: true });
    await Deno.rename(copy, a.home);
    await a.start();
    const versions = async (node: ClusterNode) =>
      JSON.parse(await node.ask("history", "diary", "--json")).versions as {
        version: number;
        conflict: boolean;
      }[];
    await until("a has met b", () => versions(a), ({ length }) => length === 2);
    await sameBytes(a, "diary", join(cluster.root, "diary"));
    await put();
    for (const node of [a, b]) {
      const told = (await versions(node)).map(({ version, conflict }) => [version, conflict]);
      assertEquals(told, [[1, false], [2, false], [3, false]], node.name);
      await node.ok("verify");
      assertEquals(/fork/.test(node.said), false, node.said);
    }
  },
});
