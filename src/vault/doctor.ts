/**
 * Doctor: a check of the home and of what it stands on, in words, without changing anything.
 *
 * @module
 */

import { join } from "@std/path";
import { denoDisk, type ErrorCode, isVaultError, VaultError } from "../base/mod.ts";
import { clockMs } from "../log/mod.ts";
import { hasVault, homePaths } from "./home.ts";
import { type OpenOptions, openVault } from "./open.ts";
import type { Vault } from "./vault.ts";
import type { DoctorFinding } from "./types.ts";

/** Clocks may differ this much before a record counts as one from the future. */
const CLOCK_AHEAD_MS_MAX = 5 * 60 * 1000;

/** How to look. */
export interface ExamineOptions extends OpenOptions {
  /** The home's vault, if it is open already. */
  vault?: Vault;
}

/** Looks a home over. Never throws: what goes wrong is a finding. */
export async function examineHome(
  home: string,
  options: ExamineOptions,
): Promise<DoctorFinding[]> {
  const findings = new Findings();
  findings.good("platform", `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}`);
  if (!hasVault(home)) {
    findings.bad("home", `no vault in ${home}`, {
      code: "not_found",
      hint: "make one with `govault init`",
    });
    return findings.all;
  }
  findings.good("home", home);
  checkModes(home, findings);
  let vault: Vault | null = null;
  try {
    if (options.vault === undefined) vault = await openVault({ ...options, home, create: false });
    await checkVault(options.vault ?? vault!, findings);
  } catch (error) {
    const known = isVaultError(error) ? error : new VaultError("failed", String(error));
    findings.bad("vault", known.message, {
      code: known.code,
      ...(known.hint ? { hint: known.hint } : {}),
    });
  } finally {
    await vault?.close();
  }
  return findings.all;
}

class Findings {
  readonly all: DoctorFinding[] = [];

  good(check: string, detail: string): void {
    this.all.push({ check, ok: true, detail });
  }

  bad(check: string, detail: string, more: { code: ErrorCode; hint?: string }): void {
    this.all.push({ check, ok: false, detail, ...more });
  }
}

/** Secrets must be readable by their owner alone. */
function checkModes(home: string, findings: Findings): void {
  if (Deno.build.os === "windows") return;
  const { keys } = homePaths(home);
  const open = denoDisk.list(keys).filter((name) =>
    ((Deno.statSync(join(keys, name)).mode ?? 0) & 0o077) !== 0
  );
  if (open.length === 0) findings.good("key files", "readable by you alone");
  else {
    findings.bad("key files", `others can read ${open.join(", ")}`, {
      code: "denied",
      hint: `chmod 600 ${keys}/*`,
    });
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

async function checkVault(vault: Vault, findings: Findings): Promise<void> {
  const { protected: isProtected, keys, versions, chunks } = await vault.status();
  findings.good(
    "passphrase",
    isProtected
      ? "the vault's key is sealed"
      : "none: whoever has the disk can read the vault (`govault key protect`)",
  );
  const { junkBytes, damagedFrames, tornBytes } = vault.recovery();
  if (junkBytes === 0 && damagedFrames === 0) {
    const tail = tornBytes > 0 ? `; ${tornBytes} bytes of an unfinished write were cut away` : "";
    findings.good("packs", `${counted(chunks, "object")}${tail}`);
  } else {
    findings.bad(
      "packs",
      `${damagedFrames} damaged frames, ${junkBytes} bytes that are no frames`,
      {
        code: "damaged",
        hint: "`govault verify` tells what is damaged",
      },
    );
  }
  const problems = vault.problems();
  if (problems.length === 0) {
    findings.good("log", `${counted(keys, "key")}, ${counted(versions, "version")}`);
  } else findings.bad("log", problems.join("; "), { code: "damaged" });
  const integrity = vault.indexIntegrity();
  if (integrity === "ok") findings.good("index", integrity);
  else findings.bad("index", integrity, { code: "damaged", hint: "`govault verify` rebuilds it" });
  const aheadMs = clockMs(vault.highestClock()) - Date.now();
  if (aheadMs <= CLOCK_AHEAD_MS_MAX) findings.good("clock", "no record is from the future");
  else {
    const minutes = Math.round(aheadMs / 60_000);
    findings.bad("clock", `the newest record is ${minutes} minutes in the future`, {
      code: "failed",
      hint: "set this machine's clock",
    });
  }
}
