/** Opens the vault of the home named, stores something, says so, and holds the vault until standard input ends. */

import { openVault } from "../../src/vault/mod.ts";

await using vault = await openVault({ home: Deno.args[0]! });
await vault.put("from the holder", new TextEncoder().encode("held"));
Deno.stdout.writeSync(new TextEncoder().encode("open\n"));
for await (const _ of Deno.stdin.readable);
