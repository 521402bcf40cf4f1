/**
 * `govault doctor`: looks at the home, whether or not a vault can be opened from it.
 *
 * @module
 */

import { EXIT_CODES } from "../../base/mod.ts";
import type { ResidentNode } from "../../daemon/types.ts";
import type { DoctorFinding } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { replicationText } from "../network.ts";
import { show } from "../output.ts";
import { answerPassphrase } from "../passphrase.ts";
import { askForNode, chosenHome, type NodeIsUp } from "../session.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "look for what is wrong with the home",
  usage: ["doctor"],
  about: [
    "Examines the home: its files and their permissions, the keys, the packs, the index, the " +
    "lock and the clock; of a running node also its port and its peers. Says what is wrong and " +
    "what can be done. Exits with 4 if data is damaged, with 1 if something else is wrong. " +
    "`verify` is the check of all that is stored.",
  ],
  flags: {},
  operands: [],
  examples: [["doctor", "why does it not work?"]],
  async run(context) {
    const { defaultHome, examineHome } = await import("../../vault/mod.ts");
    const { node, flags, signal } = context;
    const lockWaitMs = flags["lock-wait"];
    const home = chosenHome(context) ?? defaultHome();
    let nodeIsUp: NodeIsUp | undefined;
    const findings = await examineHome(home, {
      ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
      ...(node === undefined ? {} : { vault: node.vault }),
      passphrase: (ask) => answerPassphrase(context, ask),
      signal,
      onWaiting: () =>
        askForNode(home).catch((error) => {
          throw nodeIsUp = error;
        }),
    });
    if (nodeIsUp !== undefined) throw nodeIsUp;
    if (node !== undefined) findings.push(...await networkFindings(node));
    await show(context, { json: { findings }, text: doctorText(findings) });
    return exitCodeOf(findings);
  },
});

/** How the running node fares among the others. */
async function networkFindings(node: ResidentNode): Promise<DoctorFinding[]> {
  const view = node.peers.view();
  const members = view.peers.filter(({ state }) => state !== "evicted");
  const up = members.filter(({ state }) => state === "up");
  const answers = await isAnswering(node);
  const port: DoctorFinding = answers
    ? { check: "port", ok: true, detail: `others reach this node at ${view.address}` }
    : {
      check: "port",
      ok: false,
      code: "failed",
      detail: `nobody answers at port ${node.port}`,
      hint: "start the node again",
    };
  const peers: DoctorFinding = members.length === 0 || up.length > 0
    ? { check: "peers", ok: true, detail: `${up.length} of ${members.length} up` }
    : {
      check: "peers",
      ok: false,
      code: "failed",
      detail: `none of ${members.length} is up`,
      hint: "are they running, and does a firewall let their port through? see `govault peers`",
    };
  return [port, peers, { check: "copies", ok: true, detail: `too few: ${replicationText(view)}` }];
}

/** Whether something accepts connections where the node listens. */
async function isAnswering({ host, port }: ResidentNode): Promise<boolean> {
  const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  try {
    (await Deno.connect({ hostname: everywhere[host] ?? host, port })).close();
    return true;
  } catch {
    return false;
  }
}

function exitCodeOf(findings: readonly DoctorFinding[]): number {
  const bad = findings.filter((finding) => !finding.ok);
  if (bad.some((finding) => finding.code === "damaged")) return EXIT_CODES.damaged;
  return bad.length === 0 ? 0 : EXIT_CODES.failed;
}

function doctorText(findings: readonly DoctorFinding[]): string {
  const width = Math.max(0, ...findings.map((finding) => finding.check.length));
  return findings.map(({ check, ok, detail, hint }) => {
    const line = `${ok ? "ok " : "bad"}  ${check.padEnd(width)}  ${detail}\n`;
    return hint === undefined ? line : `${line}     ${" ".repeat(width)}  hint: ${hint}\n`;
  }).join("");
}
