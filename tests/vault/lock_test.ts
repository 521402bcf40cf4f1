/**
 * One process at a time: another waits, then is told; what a killed process held is free at once.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { openVault } from "../../src/vault/mod.ts";
import { failure, homeWithVault, lines, read, type TempFolder, withVault } from "./helpers.ts";

const HOLDER = fromFileUrl(new URL("./lock_holder.ts", import.meta.url));

/** A process that opens the vault, says so, and holds it until its standard input ends. */
function holder(folder: TempFolder): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--cached-only", "--allow-all", HOLDER, folder.home],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
}

Deno.test("open: while another process has the vault, it is locked and says by whom", async () => {
  using folder = await homeWithVault();
  await using child = holder(folder);
  const said = lines(child.stdout);
  assertEquals((await said.next()).value, "open");
  const error = await failure("locked", () => openVault({ home: folder.home, lockWaitMs: 60 }));
  assert(error.message.includes(`pid ${child.pid}`), error.message);

  // Whoever waits gets it when the other lets go.
  const waiting = withVault(folder, (vault) => read(vault, "from the holder"));
  await child.stdin.close();
  assertEquals(await waiting, encodeUtf8("held"));
  assert((await child.status).success);
  await said.return(undefined);
});

Deno.test("open: after kill -9 of its owner the vault opens at once, with all it had stored", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithVault();
  const child = holder(folder);
  const said = lines(child.stdout);
  assertEquals((await said.next()).value, "open");
  child.kill("SIGKILL");
  assertEquals((await child.status).signal, "SIGKILL");
  await child.stdin.close().catch(() => {/* its reader is gone */});
  await withVault(folder, async (vault) => {
    assertEquals(await read(vault, "from the holder"), encodeUtf8("held"));
  }, { lockWaitMs: 0 });
  await said.return(undefined);
});

Deno.test("open: two vaults of one process exclude each other, too", async () => {
  using folder = await homeWithVault();
  const first = await openVault({ home: folder.home });
  await failure("locked", () => openVault({ home: folder.home, lockWaitMs: 0 }));
  await first.close();
  await first.close();
  await withVault(folder, (vault) => vault.status());
});

Deno.test("open: a signal ends the waiting", async () => {
  using folder = await homeWithVault();
  await using _ = await openVault({ home: folder.home });
  const controller = new AbortController();
  const waiting = openVault({ home: folder.home, signal: controller.signal });
  controller.abort();
  await failure("interrupted", () => waiting);
});
