/**
 * The demo's second part: three nodes on loopback. A file is stored on one, that one is killed, another gives the file
 * back, and the copies that were lost are made again.
 */

import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, type Status, until } from "../helpers/cluster.ts";
import { mixedContent } from "./content.ts";

/** How the demo tells what happens. */
export interface Teller {
  say(text: string): void;
  step(title: string): void;
  check(claim: string, holds: boolean): void;
}

const FILE = "family-album.dat";
const FILE_BYTES = 16 * 1024 * 1024;
/** Short, so that nobody waits; the default is minutes, as a machine that restarts is not gone. */
const DOWN_AFTER = "4s";

/** Tells the story, and cleans up. */
export async function networkStory(teller: Teller): Promise<void> {
  const { say, step, check } = teller;
  await using cluster = await Cluster.make();
  const show = async (node: ClusterNode, ...words: string[]) => {
    say(`${node.name}$ govault ${words.join(" ")}`);
    const { out, err, code } = await node.run(...words);
    say((err + out).trimEnd());
    if (code !== 0) check(`the command succeeds (its exit code is ${code})`, false);
  };

  step("Three nodes on this machine: two with the vault's key, and one that may only store.");
  const flags = ["--down-after", DOWN_AFTER, "--replicas", "2"];
  const a = await cluster.add("anna", { flags });
  const b = await cluster.add("ben", { owner: true, flags: flags.slice(0, 2) });
  const c = await cluster.add("shed", { flags: flags.slice(0, 2) });
  for (const node of cluster.nodes) say(`${node.name}: govault serve --port ${node.port}`);
  await connected(cluster.nodes);
  await show(a, "peers");

  step("A file is stored on the first, and counts as stored when two nodes hold it durably.");
  const content = mixedContent(FILE_BYTES);
  const path = join(cluster.root, FILE);
  await Deno.writeFile(path, content);
  await show(a, "put", path, "--copies", "2");
  await isHealed([a, b, c]);

  step("The first node dies: kill -9.");
  await a.kill();

  step("The second gives the file back, fetching what it does not hold from the third.");
  const back = join(cluster.root, "back.dat");
  await show(b, "get", FILE, "-o", back);
  check("it is the same, byte for byte", equal(await Deno.readFile(back), content));

  step("The copies that died are made again, by nodes of which one can't read them.");
  const { underReplicated } = await until(
    "the loss is noticed",
    () => b.status(),
    (status: Status) => status.underReplicated > 0,
  );
  say(`${underReplicated} chunks have a copy too few …`);
  await isHealed([b, c]);
  say("… and now none has.");
  await show(b, "status");
  check("what the storage node can list of the vault is nothing", await listsNothing(c));
}

async function isHealed(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    await until(
      `${node.name} has nothing to heal`,
      () => node.status(),
      (status: Status) => status.underReplicated === 0,
    );
  }
}

async function listsNothing(node: ClusterNode): Promise<boolean> {
  const { keys } = await node.json<{ keys: unknown[] }>("ls");
  return keys.length === 0;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
