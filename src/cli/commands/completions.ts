/**
 * `govault completions`: scripts that teach a shell to complete govault's commands.
 *
 * @module
 */

import { quoteKey, VaultError } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { COMPLETION_SCRIPTS } from "../completions.ts";
import { nearest } from "../suggest.ts";

const SHELLS = Object.keys(COMPLETION_SCRIPTS);

export const completions = defineCommand({
  name: "completions",
  summary: "print a completion script for a shell",
  usage: ["completions bash|zsh|fish"],
  about: ["Prints a script for the shell to read when it starts."],
  flags: {},
  operands: [{ name: "SHELL", complete: SHELLS }],
  examples: [
    ["completions bash > ~/.local/share/bash-completion/completions/govault", "bash"],
    ["completions zsh > ~/.zfunc/_govault", "zsh, with ~/.zfunc in fpath"],
    ["completions fish > ~/.config/fish/completions/govault.fish", "fish"],
  ],
  async run({ io, operands, commands }) {
    const shell = operands[0]!;
    const script = Object.hasOwn(COMPLETION_SCRIPTS, shell) ? COMPLETION_SCRIPTS[shell] : undefined;
    if (script === undefined) {
      const near = nearest(shell, SHELLS);
      throw new VaultError(
        "usage",
        `Cannot write completions for ${quoteKey(shell)}: unknown shell`,
        {
          hint: near === undefined ? `one of ${SHELLS.join(", ")}` : `did you mean ${near}?`,
        },
      );
    }
    await io.out(script(commands));
  },
});
