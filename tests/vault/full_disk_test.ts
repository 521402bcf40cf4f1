/**
 * A full disk, for real: a small file system in memory. Needs the right to mount one; without it the test says so and
 * is left out.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { initVault, openVault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  failure,
  keyNames,
  randomBytes,
  read,
  TempFolder,
  version,
} from "./helpers.ts";

const DISK_BYTES = 12 * 1024 * 1024;

async function run(program: string, ...args: string[]): Promise<boolean> {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, options).output()).success;
  } catch {
    return false; // there is no such program
  }
}

/** Runs `work` on a small disk of its own; false if none can be had. */
async function onSmallDisk(work: (disk: string) => Promise<void>): Promise<boolean> {
  using folder = new TempFolder();
  const disk = folder.at("disk");
  Deno.mkdirSync(disk);
  const size = `size=${DISK_BYTES}`;
  if (!await run("mount", "-t", "tmpfs", "-o", size, "govault-test", disk)) return false;
  try {
    await work(disk);
  } finally {
    assert(await run("umount", disk) || await run("umount", "-l", disk), `cannot unmount ${disk}`);
  }
  return true;
}

function leaveOut(): void {
  Deno.stdout.writeSync(new TextEncoder().encode("(left out: no right to mount a small disk) "));
}

Deno.test("put: on a full disk says no_space, loses nothing, and a prune makes room again", async () => {
  const done = await onSmallDisk(async (disk) => {
    const home = join(disk, "home");
    await initVault({ home });
    const old = randomBytes(2_000_000, 1);
    {
      await using vault = await openVault({ home });
      await vault.put("old", old);
      await vault.put("dear", randomBytes(100_000, 2));
      const error = await failure("no_space", () => vault.put("large", randomBytes(20_000_000)));
      assert(error.hint !== undefined);
      assertSameBytes(await read(vault, "old"), old, "while it is open");
    }
    {
      await using vault = await openVault({ home });
      assertEquals(await keyNames(vault), ["dear", "old"]);
      assertSameBytes(await read(vault, "old"), old);
      assertSameBytes(await read(vault, "dear"), randomBytes(100_000, 2));
      await failure("no_space", () => vault.put("large", randomBytes(20_000_000)));
    }
    {
      // What the failed puts left is no older than a moment, but the disk is full: the user lets `old` go.
      await using vault = await openVault({ home });
      await vault.delete("old", { purge: true });
      assertEquals(await keyNames(vault), ["dear"]);
      assertSameBytes(await read(vault, "dear"), randomBytes(100_000, 2));
      await vault.put("small", randomBytes(500_000, 3));
      assertSameBytes(await read(vault, "small"), randomBytes(500_000, 3));
      assertEquals((await vault.verify()).damaged, 0);
    }
  });
  if (!done) leaveOut();
});

Deno.test("getToFile: on a full disk leaves what was there, and no half file", async () => {
  const done = await onSmallDisk(async (disk) => {
    using folder = new TempFolder();
    await initVault({ home: folder.home });
    await using vault = await openVault({ home: folder.home });
    await vault.put("key", new TextEncoder().encode("old"));
    await vault.getToFile("key", join(disk, "out"));
    await vault.put("key", randomBytes(DISK_BYTES + 1));
    await failure("no_space", () => vault.getToFile("key", join(disk, "out")));
    assertEquals(Deno.readTextFileSync(join(disk, "out")), "old");
    assertEquals(Array.from(Deno.readDirSync(disk), ({ name }) => name), ["out"]);
    await vault.getToFile("key", join(disk, "out"), { select: version(1) });
  });
  if (!done) leaveOut();
});
