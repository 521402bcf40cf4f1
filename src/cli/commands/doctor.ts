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
    "lock, the space left and the clock. Says what is wrong and what can be done. Exits with 1 " +
    "if something is. `verify` is the check of everything that is stored.",
  ],
  flags: {},
  operands: [],
  examples: [["doctor", "why does it not work?"]],
  async run(context) {
    const { examineHome } = await import("../../vault/mod.ts");
    const chosen = chosenHome(context);
    const findings = await examineHome({
      ...(chosen === undefined ? {} : { home: chosen }),
      passphrase: (ask) => answerPassphrase(context, ask),
    });
    await show(context, { json: { findings }, text: doctorText(findings) });
    return findings.every((finding) => finding.ok) ? 0 : EXIT_CODES.failed;
  },
});

function doctorText(findings: readonly DoctorFinding[]): string {
  const width = Math.max(0, ...findings.map((finding) => finding.check.length));
  return findings.map(({ check, ok, detail, hint }) => {
    const line = `${ok ? "ok " : "bad"}  ${check.padEnd(width)}  ${detail}\n`;
    return hint === undefined ? line : `${line}     ${" ".repeat(width)}  hint: ${hint}\n`;
  }).join("");
}
