/** Nodes with sessions, on a network in memory and in virtual time. */

import { assertEquals } from "@std/assert";
import { type Bytes, encodeUtf8, type NodeId, sha256, toHex } from "../../src/base/mod.ts";
import { MemoryNetwork } from "../../src/net/mod.ts";
import { EventBus, type NetworkEvent } from "../../src/peer/events.ts";
import { foundNetwork, joinNetwork, NetworkFile } from "../../src/peer/network_file.ts";
import { SessionTable, type StartOptions } from "../../src/peer/sessions.ts";
import { decodeToken } from "../../src/peer/token.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import { settled, VirtualTime } from "../net/helpers.ts";
import {
  AUTHORITY,
  NETWORK,
  nodeOf,
  randomOf,
  seedOf,
  signerOf,
  T0,
} from "./statements_helpers.ts";

const FILE = "home/network.json";

/** One node, through all its runs. */
export class TownNode {
  readonly disk = new MemoryDisk();
  readonly events: NetworkEvent[] = [];
  views = 0;
  table!: SessionTable;
  file!: NetworkFile;
  #runs = 0;
  #watching = new AbortController();

  constructor(readonly name: string, readonly town: Town, readonly isOwner: boolean) {}

  get id(): NodeId {
    return nodeOf(this.name);
  }

  /** Makes a table from what is on the disk and starts it, at the host of the node's name. */
  async start(options: Partial<StartOptions> = {}): Promise<this> {
    const { time, network } = this.town;
    const clock = this.town.clock;
    this.file = NetworkFile.load(FILE, signerOf(this.name).publicKey, this.disk)!;
    const events = new EventBus<NetworkEvent>();
    this.#watching = new AbortController();
    this.#watch(events).catch(() => {});
    this.table = new SessionTable({
      transport: network.host(this.name),
      clock,
      timers: time,
      random: randomOf(`${this.name} ${this.#runs++}`),
      file: this.file,
      signer: signerOf(this.name),
      vaultSigner: this.isOwner ? AUTHORITY : signerOf(`vault of ${this.name}`),
      credentials: {
        certificate: encodeUtf8(`certificate of ${this.name}`),
        privateKey: new Uint8Array(),
      },
      events,
      claim: { name: this.name, weight: 100 },
    });
    this.table.onViewChange(() => this.views++);
    await this.table.start({ host: this.name, port: 3000, ...options });
    return this;
  }

  async #watch(events: EventBus): Promise<void> {
    for await (const event of events.listen(this.#watching.signal)) this.events.push(event);
  }

  /** Stops in good order. */
  async stop(): Promise<void> {
    const stopping = this.table.stop();
    await this.town.time.pass(5000);
    await stopping;
    this.#watching.abort();
  }

  /** As kill -9: nothing more is said or saved. */
  crash(): void {
    this.town.network.crash(this.name);
    this.disk.kill();
    this.table.stop(0).catch(() => {});
    this.#watching.abort();
  }

  async put(file: Promise<NetworkFile>): Promise<this> {
    await file;
    return this;
  }

  /** Names of members that a session stands with. */
  get up(): string {
    return this.town.names(this.table.peers().map(({ node }) => node));
  }

  /** Names of members, itself among them. */
  get members(): string {
    return this.town.names(this.file.state.roster.members().map(({ node }) => node));
  }

  refusals(): string[] {
    return this.events.flatMap((event) => event.kind === "refused" ? [event.reason] : []);
  }
}

/** A network of such nodes. */
export class Town {
  readonly time = new VirtualTime();
  readonly clock = { now: () => T0 + this.time.now() };
  readonly network: MemoryNetwork;
  readonly nodes = new Map<string, TownNode>();

  constructor(latencyMs = 1) {
    this.network = new MemoryNetwork({ timers: this.time, latencyMs: () => latencyMs });
  }

  names(nodes: readonly NodeId[]): string {
    return nodes.map((node) => this.nameOf(node)).sort().join(" ");
  }

  nameOf(node: NodeId): string {
    for (const name of this.nodes.keys()) if (toHex(nodeOf(name)) === toHex(node)) return name;
    return "?";
  }

  /** The node that founded the network. */
  async found(name: string): Promise<TownNode> {
    const node = new TownNode(name, this, true);
    this.nodes.set(name, node);
    await NetworkFile.make(
      FILE,
      foundNetwork({
        networkId: NETWORK.networkId,
        secret: seedOf("founding secret"),
        authority: AUTHORITY,
        nodeKey: signerOf(name).publicKey,
        nowMs: this.clock.now(),
      }),
      node.disk,
    );
    return await node.start();
  }

  /** A node that a token lets in, not started. */
  async invited(name: string, token: string, isOwner = false): Promise<TownNode> {
    const node = new TownNode(name, this, isOwner);
    this.nodes.set(name, node);
    const joining = {
      nodeKey: signerOf(name).publicKey,
      nowMs: this.clock.now(),
      ...(isOwner ? { authority: AUTHORITY } : {}),
    };
    await NetworkFile.make(FILE, joinNetwork(decodeToken(token), joining), node.disk);
    return node;
  }

  async join(name: string, token: string, isOwner = false): Promise<TownNode> {
    return await (await this.invited(name, token, isOwner)).start();
  }

  /** A founder "a" and so many others that joined by its tokens. */
  async grow(count: number): Promise<TownNode[]> {
    const a = await this.found("a");
    const others = [];
    for (const name of "bcdefgh".slice(0, count - 1)) {
      others.push(await this.join(name, a.table.membership.invite(null)));
    }
    await this.pass(10);
    return [a, ...others];
  }

  pass(seconds: number): Promise<void> {
    return this.time.pass(1000 * seconds);
  }

  /** What a promise comes to, while time passes. */
  async during<T>(promise: Promise<T>, seconds = 10): Promise<T> {
    const handled = promise.then((value) => ({ value }), (error) => ({ error }));
    await this.pass(seconds);
    const result = await handled;
    if ("error" in result) throw result.error;
    return result.value;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) node.table?.stop(0).catch(() => {});
    await this.pass(20);
    await settled();
  }
}

/** Runs a story and cleans up. */
export function story(name: string, run: (town: Town) => Promise<void>): void {
  Deno.test(name, async () => {
    const town = new Town();
    await run(town);
    await town.stop();
  });
}

/** Every node has a session with every other, and all know the same. */
export function assertMesh(nodes: readonly TownNode[]): void {
  const all = nodes.map(({ name }) => name).sort();
  for (const node of nodes) {
    assertEquals(node.up, all.filter((name) => name !== node.name).join(" "), `${node.name} up`);
    assertEquals(node.members, all.join(" "), `${node.name} members`);
  }
  const digests = nodes.map((node) => toHex(node.file.state.roster.digest()));
  assertEquals(new Set(digests).size, 1, "rosters differ");
}

/** SHA-256 of a text, where any 32 bytes will do. */
export function anyHash(text: string): Bytes {
  return sha256(encodeUtf8(text));
}
