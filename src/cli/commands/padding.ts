/**
 * `govault padding`: whether what is sealed tells its size.
 *
 * @module
 */

import { quoteKey, VaultError } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { confirm, show } from "../output.ts";
import { withVault } from "../session.ts";

const SETTINGS = ["on", "off"];

export const padding = defineCommand({
  name: "padding",
  summary: "hide the sizes of what is sealed, or not",
  usage: ["padding [on|off]"],
  about: [
    "With padding on, chunks, manifests and records are brought to one of few lengths before they " +
    "are sealed: 1 KiB at least, beyond that at most a 16th more. Nodes that store them learn less of " +
    "the files' sizes. Without an operand it says whether it is on.",
    "It holds for what this home stores from now on; what is stored already stays as it is, and " +
    "is not stored again. Each home of a vault with several owners has a setting of its own.",
  ],
  flags: {},
  operands: [{ name: "SETTING", optional: true, complete: SETTINGS }],
  examples: [["padding on", "hide sizes from now on"], ["padding", "see whether it is on"]],
  async run(context) {
    const [setting] = context.operands;
    if (setting === undefined) {
      const { padding } = await withVault(context, (vault) => vault.status());
      return await show(context, { json: { padding }, text: padding ? "on\n" : "off\n" });
    }
    if (!SETTINGS.includes(setting)) {
      throw new VaultError("usage", `Cannot set padding to ${quoteKey(setting)}`, {
        hint: "govault padding on, or govault padding off",
      });
    }
    const isOn = setting === "on";
    await withVault(context, (vault) => vault.setPadding(isOn));
    await confirm(context, { json: { padding: isOn }, text: `Padding is ${setting}.\n` });
  },
});
