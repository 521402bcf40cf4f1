/**
 * What the commands about the network share: the node that they need, naming other nodes, showing them.
 *
 * @module
 */

import { parseIdPrefix, quoteKey, shortHex, toHex, VaultError } from "../base/mod.ts";
import type { NetworkEvent, NetworkView, PeerInfo, ResidentNode } from "../daemon/types.ts";
import type { Vault } from "../vault/mod.ts";
import type { Context } from "./command.ts";
import { formatBytes, formatKey, formatSpan, plural } from "./format.ts";
import { jsonTime } from "./json.ts";

/** The node that a command runs in. @throws VaultError `failed` if it runs in a process of its own */
export function needNode({ node }: Pick<Context, "node">, action: string): ResidentNode {
  if (node !== undefined) return node;
  throw new VaultError("failed", `Cannot ${action}: no node is running from this home`, {
    hint: "start one: govault serve --port 3000",
  });
}

/** The network as the running node knows it, or as it is remembered; `null` if there never was one. */
export async function networkView(
  { node }: Pick<Context, "node">,
  vault: Vault,
): Promise<NetworkView | null> {
  if (node !== undefined) return node.peers.view();
  const { rememberedNetwork } = await import("../daemon/mod.ts");
  return rememberedNetwork(vault);
}

/**
 * The peer that a user names: by the first hex digits of its id, four at least, or by its name.
 *
 * @throws VaultError `not_found` if it is none, `usage` if it is several, or this node
 */
export function findPeer({ peers, vault }: ResidentNode, named: string): PeerInfo {
  const prefix = parseIdPrefix(named);
  const isNamed = (node: Uint8Array) => prefix !== null && toHex(node).startsWith(prefix);
  const found = peers.view().peers.filter(({ node, name }) => name === named || isNamed(node));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    if (isNamed(vault.peerSide().nodeId)) {
      throw new VaultError("usage", `Cannot take ${quoteKey(named)}: it is this node itself`, {
        hint: "name another one (`govault peers`), or run the command on another one",
      });
    }
    throw new VaultError("not_found", `Cannot find the node ${quoteKey(named)}`, {
      hint: "`govault peers` lists them; its name will do, or 4 digits of its id",
    });
  }
  const ids = found.map(({ node }) => shortHex(node)).join(", ");
  throw new VaultError("usage", `Cannot tell which node ${quoteKey(named)} is: ${ids}`, {
    hint: "name it by more digits of its id",
  });
}

/** An event, for scripts. */
export function eventDocument(event: NetworkEvent): Record<string, unknown> {
  const node = "node" in event && event.node !== null ? { node: toHex(event.node) } : {};
  const time = "time" in event ? { time: jsonTime(event.time) } : {};
  switch (event.kind) {
    case "message":
      return {
        event: event.kind,
        from: toHex(event.from),
        to: event.to === "all" ? "all" : toHex(event.to),
        ...time,
        text: event.text,
      };
    case "peer":
      return { event: event.kind, ...node, name: event.name, state: event.state };
    case "repair":
      return {
        event: event.kind,
        missing: event.missing,
        missingBytes: event.missingBytes,
        healed: event.healed,
      };
    case "fork":
      return { event: event.kind, ...node, sequence: Number(event.sequence) };
    case "refused":
      return { event: event.kind, ...node, remote: event.remote, reason: event.reason };
    case "notice":
      return { event: event.kind, text: event.text };
    case "dropped":
      return { event: event.kind, count: event.count };
    default:
      return { event: event.kind, ...node, ...time, count: event.count };
  }
}

/** An event, for people: one line. */
export function eventLine(event: NetworkEvent): string {
  switch (event.kind) {
    case "message":
      return `message from ${shortHex(event.from)}: ${formatKey(event.text)}\n`;
    case "peer":
      return `peer ${formatKey(event.name)} (${shortHex(event.node)}) ${event.state}\n`;
    case "repair":
      return event.missing === 0
        ? "repair: nothing is missing\n"
        : `repair: ${plural(event.missing, "object")} missing here, ${
          formatBytes(event.missingBytes)
        }\n`;
    case "fork":
      return `fork: the log of ${
        shortHex(event.node)
      } has two records ${event.sequence}; was it put back from an old copy?\n`;
    case "refused":
      return `refused ${formatKey(event.remote)}: ${formatKey(event.reason)}\n`;
    case "notice":
      return `${formatKey(event.text)}\n`;
    case "dropped":
      return `${plural(event.count, "event")} came too fast and are not shown\n`;
    default:
      return `${event.kind} by ${shortHex(event.node)}: ${plural(event.count, "record")}\n`;
  }
}

/** How many chunks have too few copies, and for how long, for people. */
export function replicationText({ underReplicated, etaSeconds }: NetworkView): string {
  if (underReplicated === 0) return "none";
  const when = etaSeconds === null ? "" : `, done in ${formatSpan(etaSeconds * 1000)}`;
  return `${plural(underReplicated, "chunk")}${when}`;
}
