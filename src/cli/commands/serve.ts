/**
 * `govault serve`: runs the node.
 *
 * @module
 */

import { formatHostPort } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { eventLine } from "../network.ts";
import { answerPassphrase } from "../passphrase.ts";
import { chosenHome, tellCreated } from "../session.ts";
import { readCount, readHostPort, readPort, readSize, readSpan, readText } from "../values.ts";

const GIB = 1024 ** 3;
const PORT_DEFAULT = 3000;
/** All addresses of this machine. */
const HOST_DEFAULT = "0.0.0.0";

export const serve = defineCommand({
  name: "serve",
  summary: "run the node: store for peers, and they for you",
  usage: [
    "serve [--port N] [--host H] [--peer HOST:PORT]… [--lan]",
    "serve --join TOKEN [--port N] …",
  ],
  about: [
    "Runs until Ctrl-C or a SIGTERM: takes part in the network, keeps copies, makes those again " +
    "that are lost. Makes the vault first if there is none, and prints its recovery phrase. " +
    "While it runs, all other commands on this home go through it.",
    "Says `listening on HOST:PORT` on standard error once it can be reached, and then a line for " +
    "each peer that comes or goes, for each refusal and repair, and for what else should be known, " +
    "unless --quiet is given.",
    "--join takes a token that `invite` printed on another node: in an empty home one of " +
    "`invite --owner` makes the same vault, any other a vault of its own that stores for theirs.",
  ],
  flags: {
    port: {
      kind: "value",
      alias: "p",
      value: "N",
      read: readPort,
      help: "TCP port, 3000 if not given; 0 picks one",
    },
    host: {
      kind: "value",
      value: "H",
      read: readText,
      help: "address to listen on; all if not given",
    },
    peer: {
      kind: "list",
      value: "HOST:PORT",
      read: readHostPort,
      help: "a node to connect to; may be repeated",
    },
    join: { kind: "value", value: "TOKEN", read: readText, help: "join the network of a token" },
    replicas: {
      kind: "value",
      value: "N",
      read: readCount,
      help: "copies the network keeps of each chunk (default 3)",
    },
    "down-after": {
      kind: "value",
      value: "SPAN",
      read: readSpan,
      help: "make an absent node's copies again after this (10m)",
    },
    lan: { kind: "switch", help: "find nodes on the local network; not with --host 127.0.0.1" },
    advertise: {
      kind: "value",
      value: "HOST:PORT",
      read: readHostPort,
      help: "the address that others reach this node by",
    },
    capacity: {
      kind: "value",
      value: "SIZE",
      read: readSize,
      help: "hold others' data up to this, and in proportion; 0: none; " +
        "without it no bound, and the share of 100GiB",
    },
  },
  operands: [],
  examples: [
    ["serve --port 3000", "be a node"],
    ["serve --join govault1-…", "join the network of a token"],
    ["serve --peer nas.local:3000 --capacity 2TiB", "find a peer; store much"],
  ],
  async run(context) {
    const { flags, io, signal } = context;
    const { replicas, advertise, capacity, join, "down-after": downAfterMs } = flags;
    const lockWaitMs = flags["lock-wait"];
    const { runDaemon } = await import("../../daemon/mod.ts");
    const { defaultHome } = await import("../../vault/mod.ts");
    const { runInNode } = await import("../run.ts");
    await runDaemon({
      home: io.path(chosenHome(context) ?? defaultHome()),
      open: {
        passphrase: (ask) => answerPassphrase(context, ask),
        onCreated: (created) => tellCreated(context, created),
        ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
      },
      start: {
        host: flags.host ?? HOST_DEFAULT,
        port: flags.port ?? PORT_DEFAULT,
        peers: flags.peer,
        lan: flags.lan,
        ...(advertise === undefined ? {} : { advertise }),
      },
      ...(join === undefined ? {} : { token: join }),
      ...(replicas === undefined ? {} : { replicas }),
      ...(downAfterMs === undefined ? {} : { downAfterMs }),
      ...(capacity === undefined ? {} : { capacityGib: wholeGib(capacity) }),
      signal,
      run: runInNode,
      onListening: (at) => io.err(`listening on ${formatHostPort(at)}\n`),
      onEvent: (event) => {
        if (!flags.quiet && isWorthALine(event.kind)) io.err(eventLine(event));
      },
    });
  },
});

/** Only 0 is nothing: any other share is one. */
function wholeGib(bytes: number): number {
  return bytes === 0 ? 0 : Math.max(1, Math.round(bytes / GIB));
}

/** Puts and messages have `watch`. */
function isWorthALine(kind: string): boolean {
  return ["peer", "refused", "repair", "fork", "notice"].includes(kind);
}
