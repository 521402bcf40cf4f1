/**
 * `govault version`.
 *
 * @module
 */

import { defineCommand } from "../command.ts";
import { show } from "../output.ts";
import { VERSION, versionText } from "../version.ts";

export const version = defineCommand({
  name: "version",
  summary: "show the version of govault",
  usage: ["version"],
  about: ["Shows the version; with --json also what it runs on."],
  flags: {},
  operands: [],
  examples: [["version", "which one is this?"]],
  async run(context) {
    const { os, arch } = Deno.build;
    await show(context, {
      json: { version: VERSION, deno: Deno.version.deno, os, arch },
      text: versionText(),
    });
  },
});
