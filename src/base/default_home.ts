/**
 * Where a vault lies when nobody says where.
 *
 * @module
 */

import { VaultError } from "./errors.ts";

/** The folder for a vault when none is named: the platform's place for a program's data. */
export function defaultHome(): string {
  const variable = (name: string) => Deno.env.get(name) || undefined;
  const user = variable("HOME") ?? variable("USERPROFILE");
  const separator = Deno.build.os === "windows" ? "\\" : "/";
  const under = (base: string | undefined, ...rest: string[]) => {
    if (base !== undefined) return [base.replace(/[/\\]+$/, ""), ...rest].join(separator);
    throw new VaultError("usage", "Cannot find a place for the vault: HOME is not set", {
      hint: "name a folder with --home or GOVAULT_HOME",
    });
  };
  switch (Deno.build.os) {
    case "darwin":
      return under(user, "Library", "Application Support", "govault");
    case "windows":
      return under(variable("LOCALAPPDATA") ?? user, "govault");
    default: {
      const data = variable("XDG_DATA_HOME");
      return data === undefined
        ? under(user, ".local", "share", "govault")
        : under(data, "govault");
    }
  }
}
