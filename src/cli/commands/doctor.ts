/**
 * `govault doctor`: looks at the home, whether or not a vault can be opened from it.
 *
 * @module
 */

import { EXIT_CODES } from "../../base/mod.ts";
import type { DoctorFinding } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { show } from "../output.ts";
import { answerPassphrase } from "../passphrase.ts";
import { chosenHome } from "../session.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "look for what is wrong with the home",
  usage: ["doctor"],
  about: [
    "Examines the home: its files and their permissions, the keys, the packs, the index, the " +
    "lock and the clock. Says what is wrong and what can be done. Exits with 4 if data is " +
    "damaged, with 1 if something else is wrong. `verify` is the check of all that is stored.",
  ],
  flags: {},
  operands: [],
  examples: [["doctor", "why does it not work?"]],
  async run(context) {
    const { defaultHome, examineHome } = await import("../../vault/mod.ts");
    const lockWaitMs = context.flags["lock-wait"];
    const findings = await examineHome(chosenHome(context) ?? defaultHome(), {
      ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
      passphrase: (ask) => answerPassphrase(context, ask),
      signal: context.signal,
    });
    await show(context, { json: { findings }, text: doctorText(findings) });
    return exitCodeOf(findings);
  },
});

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
