/**
 * Doctor: a check of the home and of what it stands on, in words, without changing anything.
 *
 * @module
 */

import { denoDisk, isVaultError, VaultError } from "../base/mod.ts";
import { clockMs } from "../log/mod.ts";
import { hasVault, homePaths } from "./home.ts";
import { type OpenOptions, openVault } from "./open.ts";
import type { Vault } from "./vault.ts";
import type { DoctorFinding } from "./types.ts";

/** Clocks may differ this much before a record counts as one from the future. */
const CLOCK_AHEAD_MS_MAX = 5 * 60 * 1000;

/** Looks a home over. Never throws: what goes wrong is a finding. */
export async function examineHome(home: string, options: OpenOptions): Promise<DoctorFinding[]> {
  const findings: DoctorFinding[] = [];
  const add = (check: string, ok: boolean, detail: string, hint?: string) => {
    findings.push({ check, ok, detail, ...(hint ? { hint } : {}) });
  };
  add("platform", true, `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}`);
  if (!hasVault(home)) {
    add("home", false, `no vault in ${home}`, "make one with `govault init`");
    return findings;
  }
  add("home", true, home);
  checkModes(home, add);
  let vault: Vault | null = null;
  try {
    vault = await openVault({ ...options, home, create: false });
    await checkVault(vault, add);
  } catch (error) {
    const known = isVaultError(error) ? error : new VaultError("failed", String(error));
    add("vault", false, known.message, known.hint);
  } finally {
    await vault?.close();
  }
  return findings;
}

type Add = (check: string, ok: boolean, detail: string, hint?: string) => void;

/** Secrets must be readable by their owner alone. */
function checkModes(home: string, add: Add): void {
  if (Deno.build.os === "windows") return;
  const { keys } = homePaths(home);
  const open = denoDisk.list(keys).filter((name) =>
    ((Deno.statSync(`${keys}/${name}`).mode ?? 0) & 0o077) !== 0
  );
  if (open.length === 0) add("key files", true, "readable by you alone");
  else add("key files", false, `others can read ${open.join(", ")}`, `chmod 600 ${keys}/*`);
}

async function checkVault(vault: Vault, add: Add): Promise<void> {
  const { protected: isProtected, keys, versions, chunks } = await vault.status();
  add(
    "passphrase",
    true,
    isProtected
      ? "the vault's key is sealed"
      : "none: whoever has the disk can read the vault (`govault key protect`)",
  );
  const { junkBytes, damagedFrames, tornBytes } = vault.recovery();
  const whole = junkBytes === 0 && damagedFrames === 0;
  const tail = tornBytes > 0 ? `; ${tornBytes} bytes of an unfinished write were cut away` : "";
  add(
    "packs",
    whole,
    whole
      ? `${chunks} objects${tail}`
      : `${damagedFrames} damaged frames, ${junkBytes} bytes that are no frames`,
    whole ? undefined : "`govault verify` tells what is damaged",
  );
  const problems = vault.problems();
  add(
    "log",
    problems.length === 0,
    problems.length === 0 ? `${keys} keys, ${versions} versions` : problems.join("; "),
  );
  const integrity = vault.indexIntegrity();
  add(
    "index",
    integrity === "ok",
    integrity,
    integrity === "ok" ? undefined : "`govault verify` rebuilds it",
  );
  const ahead = clockMs(vault.highestClock()) - Date.now();
  const late = ahead > CLOCK_AHEAD_MS_MAX;
  add(
    "clock",
    !late,
    late
      ? `the newest record is ${Math.round(ahead / 60_000)} minutes in the future`
      : "no record is from the future",
    late ? "set this machine's clock" : undefined,
  );
}
