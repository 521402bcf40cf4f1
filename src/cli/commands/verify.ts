/**
 * `govault verify`: reads what is stored and checks it.
 *
 * @module
 */

import { EXIT_CODES } from "../../base/mod.ts";
import type { VerifyResult } from "../../vault/types.ts";
import { defineCommand } from "../command.ts";
import { plural } from "../format.ts";
import { show } from "../output.ts";
import { withMeter } from "../progress.ts";
import { withVault } from "../session.ts";
import { readPercent } from "../values.ts";

export const verify = defineCommand({
  name: "verify",
  summary: "check everything that is stored",
  usage: ["verify [--repair] [--sample P%]"],
  about: [
    "Reads every stored object and checks its hash and its seal, and that no version lacks " +
    "anything. Exits with 4 if something is damaged or missing in the end.",
  ],
  flags: {
    repair: { kind: "switch", help: "make damaged objects whole where that is possible" },
    sample: {
      kind: "value",
      value: "P%",
      read: readPercent,
      help: "check only this share, chosen at random",
    },
  },
  operands: [],
  examples: [
    ["verify", "check everything"],
    ["verify --sample 5%", "a quick look"],
  ],
  async run(context) {
    const { flags, signal, io } = context;
    const { repair, sample } = flags;
    const options = { repair, ...(sample === undefined ? {} : { sample }), signal };
    const result = await withVault(
      context,
      (vault) => withMeter(io, flags, ({ onProgress }) => vault.verify({ ...options, onProgress })),
    );
    await show(context, { json: result, text: verifyText(result, { quiet: flags.quiet }) });
    return isWhole(result) ? 0 : EXIT_CODES.damaged;
  },
});

/** Whether nothing is damaged or missing any more. */
function isWhole({ damaged, missing, repaired }: VerifyResult): boolean {
  return damaged + missing <= repaired;
}

function verifyText(result: VerifyResult, options: { quiet: boolean }): string {
  const { checked, damaged, missing, repaired, elsewhere, problems } = result;
  if (options.quiet && isWhole(result)) return "";
  const found = damaged + missing === 0
    ? "all whole"
    : `${damaged} damaged, ${missing} missing, ${repaired} repaired`;
  const others = elsewhere === 0
    ? []
    : [`${plural(elsewhere, "object")} not on this node: left to the other members`];
  return [...problems, ...others, `${plural(checked, "object")} checked: ${found}`].join("\n") +
    "\n";
}
