/**
 * `govault peers`: the other nodes.
 *
 * @module
 */

import { shortHex } from "../../base/mod.ts";
import type { PeerInfo } from "../../daemon/types.ts";
import { type Context, defineCommand } from "../command.ts";
import {
  type Cell,
  type Column,
  formatBytes,
  formatKey,
  formatSpan,
  renderTable,
} from "../format.ts";
import { peerDocument } from "../json.ts";
import { networkView } from "../network.ts";
import { show } from "../output.ts";
import { withVault } from "../session.ts";

export const peers = defineCommand({
  name: "peers",
  summary: "show the other nodes of the network",
  usage: ["peers"],
  about: [
    "Lists every other member of the network: its id, its name, whether it holds the vault's key " +
    "(owner) or only stores, how it fares, the time a question takes there and back, bytes " +
    "received and sent since the node was started, when it was heard of last, and how many " +
    "chunks it should hold and does not yet.",
    "While no node runs from this home, the members that are remembered are listed.",
  ],
  flags: {},
  operands: [],
  examples: [["peers", "who is there?"], ["peers --json", "the same for a script"]],
  async run(context) {
    const view = await withVault(context, (vault) => networkView(context, vault));
    const all = view?.peers ?? [];
    if (all.length === 0 && !context.flags.json && !context.flags.quiet) tellAlone(context);
    await show(context, {
      json: { peers: all.map(peerDocument) },
      text: peersText(context, all),
    });
  },
});

/** An empty table would leave its reader at a loss. */
function tellAlone({ io, node }: Context): void {
  const way = node === undefined
    ? "`govault serve` runs this one; then `govault invite` prints a token for another"
    : "`govault invite` prints a token for one";
  io.err(`no other nodes yet\nhint: ${way}\n`);
}

const COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "NAME", narrow: "cut" },
  { title: "ROLE", narrow: "drop" },
  { title: "STATE" },
  { title: "ADDRESS", narrow: "drop" },
  { title: "RTT", align: "right", narrow: "drop" },
  { title: "IN", align: "right", narrow: "drop" },
  { title: "OUT", align: "right", narrow: "drop" },
  { title: "SEEN", align: "right", narrow: "drop" },
  { title: "MISSING", align: "right", narrow: "drop" },
];

function peersText({ io }: Context, all: readonly PeerInfo[]): string {
  if (all.length === 0) return "";
  const { columns, color } = io;
  return renderTable(COLUMNS, all.map(row), { columns, color });
}

function row(peer: PeerInfo): Cell[] {
  const style = peer.state === "up" ? undefined : peer.state === "down" ? "red" : "dim";
  const seen = peer.lastSeen === null ? "-" : `${formatSpan(Date.now() - peer.lastSeen)} ago`;
  return [
    shortHex(peer.node),
    formatKey(peer.name),
    peer.role,
    peer.state,
    peer.address === "" ? "-" : formatKey(peer.address),
    peer.rttMs === null
      ? "-"
      : `${peer.rttMs < 10 ? peer.rttMs.toFixed(1) : Math.round(peer.rttMs)} ms`,
    formatBytes(peer.bytesIn),
    formatBytes(peer.bytesOut),
    peer.state === "up" ? "now" : seen,
    String(peer.missing),
  ].map((text) => ({ text, style }));
}
