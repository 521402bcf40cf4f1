/**
 * The resident node, from its beginning to its end: a vault, its peers, its control socket.
 *
 * @module
 */

import {
  ABANDON_MS_MAX,
  asVaultError,
  DRAIN_MS_MAX,
  isVaultError,
  LOCK_WAIT_MS,
  VaultError,
} from "../base/mod.ts";
import { assertListenable } from "../net/mod.ts";
import type { OpenOptions } from "../vault/mod.ts";
import { findSocket } from "./control_place.ts";
import { ControlServer } from "./control_server.ts";
import { openForNetwork } from "./open_vault.ts";
import { openPeers, type PeerOptions } from "./peers.ts";
import type { NetworkEvent, PeerStart, ResidentNode, RunCall } from "./types.ts";

/** How a node is to run. */
export interface DaemonOptions extends PeerOptions {
  readonly home: string;
  /** How to open the vault. */
  readonly open: Pick<OpenOptions, "passphrase" | "lockWaitMs" | "onCreated">;
  readonly start: PeerStart;
  /** A token, to join a network first. */
  readonly token?: string;
  /** Stops the node: it finishes what runs, then returns. */
  readonly signal: AbortSignal;
  readonly run: RunCall;
  /** Told once the node accepts others and command lines. */
  readonly onListening: (at: { host: string; port: number }) => void;
  readonly onEvent: (event: NetworkEvent) => void;
}

/**
 * Runs the node of a home until the signal fires.
 *
 * @throws VaultError `locked` if a node runs from the home already, `failed` if the port can't be had, and as opening
 *   the vault does
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { home, signal, token } = options;
  await refuseSecond(home);
  assertListenable(options.start);
  const lockWaitMs = options.open.lockWaitMs ?? LOCK_WAIT_MS;
  const vault = await openForNetwork({ ...options.open, home, lockWaitMs, signal }, token);
  const stopping = new AbortController();
  const ending: (() => Promise<void>)[] = [() => vault.close()];
  try {
    const peers = await openPeers(vault, options);
    ending.push(() => peers.stop());
    if (token !== undefined) await peers.join(token);
    const events = peers.events(stopping.signal); // starting has things to tell too
    const bound = await peers.start(options.start);
    const node: ResidentNode = {
      home: vault.home,
      vault,
      peers,
      ...bound,
      stopping: stopping.signal,
    };
    if (Deno.build.os !== "windows") { // where Deno has no such sockets
      const server = ControlServer.open(vault.home, (call) => options.run(call, node));
      ending.push(() => server.stop({ drainMs: DRAIN_MS_MAX, abandonMs: ABANDON_MS_MAX }));
    }
    const telling = tell(events, options.onEvent);
    ending.push(() => telling);
    options.onListening(bound);
    await untilAborted(signal);
  } finally {
    stopping.abort(new DOMException("the node stops", "AbortError"));
    await endAll(ending);
  }
}

/** A home whose node answers is not waited for. */
async function refuseSecond(home: string): Promise<void> {
  const path = findSocket(home);
  if (path === null) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    return; // a dead one's, or none; if something else has the home, its lock tells
  }
  throw new VaultError("locked", `Cannot serve ${home}: a node runs from it already`, {
    hint: "every command goes to it by itself; to have another node, use another --home",
  });
}

async function tell(
  events: AsyncIterable<NetworkEvent>,
  onEvent: (event: NetworkEvent) => void,
): Promise<void> {
  try {
    for await (const event of events) onEvent(event);
  } catch (error) {
    if (!isVaultError(asVaultError(error, ""), "interrupted")) throw error;
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Ends the parts, the last one begun first, all of them whatever happens. @throws the first that failed */
async function endAll(ending: (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const end of ending.reverse()) {
    try {
      await end();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
