/**
 * Discovery on the local network by multicast DNS (RFC 6762, RFC 6763): a node announces where it listens, and hears
 * of others of its network. What it hears is only an address to try; the handshake decides.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  formatHostPort,
  fromHex,
  LAN_ASK_MS,
  LAN_SERVICES_MAX,
  type NodeId,
  shortHex,
  type Timers,
  toHex,
} from "../base/mod.ts";
import { isDialAddress } from "./session_address.ts";

const TYPE = "govault";
/** How much of the network's id is announced. */
const NETWORK_BYTES = 8;

/** What the library tells of a service that it heard of. */
export interface LanService {
  readonly txt?: Readonly<Record<string, unknown>>;
  readonly port?: number;
  readonly addresses?: readonly string[];
  /** Who sent the announcement. */
  readonly referer?: { readonly address?: string };
}

interface LanBrowser {
  readonly services: readonly unknown[];
  update(): void;
  stop(): void;
}

/** What we use of bonjour-service. */
export interface LanLibrary {
  publish(service: {
    name: string;
    type: string;
    port: number;
    txt: Record<string, string>;
  }): unknown;
  find(what: { type: string }, onUp: (service: LanService) => void): LanBrowser;
  unpublishAll(done: () => void): void;
  destroy(done: () => void): void;
}

/** What a node says and hears on the local network. */
export interface LanOptions {
  readonly networkId: Bytes;
  readonly node: NodeId;
  readonly port: number;
  readonly timers: Timers;
  /** An address, as `host:port`, of somebody who says to be of the same network. May come again and again. */
  readonly onFound: (address: string) => void;
  /** Told once if it can't be done here. */
  readonly onNotice: (text: string) => void;
  /** Gets the library; for tests. */
  readonly load?: (onError: (error: Error) => void) => Promise<LanLibrary>;
}

/** What is announced beside the port. */
function ownText({ networkId, node }: Pick<LanOptions, "networkId" | "node">) {
  return { network: toHex(networkId.subarray(0, NETWORK_BYTES)), node: toHex(node) };
}

/** The addresses to try for a service, best first: none unless it is another node of this network. */
export function lanAddresses(
  service: LanService,
  self: Pick<LanOptions, "networkId" | "node">,
): string[] {
  const { network, node } = service.txt ?? {};
  if (network !== ownText(self).network) return [];
  if (typeof node !== "string" || !/^[0-9a-f]{64}$/.test(node)) return [];
  if (equalBytes(fromHex(node), self.node)) return [];
  // Whoever announced it is reached by the sender's address; those in the announcement may be of other networks.
  const hosts = [service.referer?.address, ...service.addresses?.slice(0, 4) ?? []];
  const { port } = service;
  if (typeof port !== "number") return [];
  // Link-local addresses of IPv6 lead nowhere without the name of an interface.
  const addresses = hosts.filter((host) => host !== undefined && !/^fe80:/i.test(host))
    .map((host) => formatHostPort({ host: String(host), port })).filter(isDialAddress);
  return [...new Set(addresses)];
}

/**
 * Announces the node and listens for others. Never fails: where it can't be done, `onNotice` hears so, and nothing else
 * happens.
 *
 * @returns how to stop it
 */
export async function joinLan(options: LanOptions): Promise<() => Promise<void>> {
  const { node, port, timers, load = loadLibrary } = options;
  let hasFailed = false;
  let stopAsking = () => {};
  const fail = (error: unknown) => {
    if (hasFailed) return;
    hasFailed = true;
    stopAsking();
    const text = error instanceof Error ? error.message : String(error);
    options.onNotice(`Cannot look for nodes on the local network: ${text}`);
  };
  try {
    const library = await load(fail);
    library.publish({
      name: `govault ${shortHex(node)}`,
      type: TYPE,
      port,
      txt: ownText(options),
    });
    const find = () =>
      library.find({ type: TYPE }, (service) => {
        for (const address of lanAddresses(service, options)) options.onFound(address);
      });
    let browser = find();
    const askLater = () => {
      stopAsking = timers.after(LAN_ASK_MS, () => {
        if (browser.services.length > LAN_SERVICES_MAX) {
          browser.stop();
          browser = find();
        } else {
          browser.update();
        }
        askLater();
      });
    };
    if (!hasFailed) askLater();
    return async () => {
      stopAsking();
      browser.stop();
      await new Promise<void>((resolve) => library.unpublishAll(() => resolve()));
      await new Promise<void>((resolve) => library.destroy(() => resolve()));
    };
  } catch (error) {
    fail(error);
    return () => Promise.resolve();
  }
}

/** A socket, as far as multicast is tried with it. */
export interface LanSocket {
  once(name: "error", listener: (error: Error) => void): unknown;
  bind(port: number, done: () => void): unknown;
  setMulticastTTL(ttl: number): unknown;
  setMulticastLoopback(isOn: boolean): unknown;
  addMembership(group: string): unknown;
  close(): unknown;
}

/** The library, and where errors of the socket below it are heard. */
export type LoadedLibrary = LanLibrary & {
  readonly server: {
    readonly mdns: { on(name: "error", listener: (error: Error) => void): unknown };
  };
};

/** The modules that discovery is made of; loaded when it is asked for. */
export interface LanModules {
  socket(): Promise<LanSocket>;
  bonjour(onError: (error: Error) => void): Promise<LoadedLibrary>;
}

/** The real ones: node:dgram and bonjour-service. */
export const LAN_MODULES: LanModules = {
  async socket() {
    const { createSocket } = await import("node:dgram");
    return createSocket({ type: "udp4", reuseAddr: true });
  },
  async bonjour(onError) {
    const { Bonjour } = await import("bonjour-service");
    return new Bonjour({}, onError) as unknown as LoadedLibrary;
  },
};

/**
 * bonjour-service, once it is known that this platform has multicast at all: it finds out too late to say so.
 *
 * @throws unless a socket can be made a member of a multicast group here
 */
export async function loadLibrary(
  onError: (error: Error) => void,
  modules: LanModules = LAN_MODULES,
): Promise<LanLibrary> {
  await tryMulticast(await modules.socket());
  const library = await modules.bonjour(onError);
  library.server.mdns.on("error", onError);
  return library;
}

async function tryMulticast(socket: LanSocket): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, () => resolve());
    });
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
    socket.addMembership("224.0.0.251");
  } finally {
    socket.close();
  }
}
