/** Whoever stops an operation of the library hears `interrupted`, whatever the signal gave as its reason. */

import { assertEquals } from "@std/assert";
import { openVault } from "../../src/vault/mod.ts";
import { collect, failure, homeWithVault, randomBytes, withVault } from "./helpers.ts";

/** What callers abort with: nothing, what a timeout gives, an error of their own, no error at all. */
const REASONS: [name: string, reason: unknown][] = [
  ["no reason", undefined],
  ["a timeout", new DOMException("Signal timed out.", "TimeoutError")],
  ["an error", new Error("the user went home")],
  ["a text", "enough"],
];

for (const [name, reason] of REASONS) {
  Deno.test(`VaultError interrupted: whatever takes a signal, stopped with ${name}`, async () => {
    using folder = await homeWithVault();
    await withVault(folder, async (vault) => {
      const bytes = randomBytes(1_000_000);
      await vault.put("tree/key", bytes);
      await vault.put("tree/key", randomBytes(1_000_000, 2));
      Deno.writeFileSync(folder.at("source"), randomBytes(3_000_000));
      const signal = AbortSignal.abort(reason);
      const into = folder.at("into");
      await failure("interrupted", () => vault.put("other", bytes, { signal }));
      await failure("interrupted", () => collect(vault.putPath(folder.at("source"), { signal })));
      await failure("interrupted", () => vault.getToFile("tree/key", into, { signal }));
      await failure("interrupted", () => collect(vault.getTree("tree", into, { signal })));
      await failure("interrupted", async () => {
        const { stream } = await vault.get("tree/key", { signal });
        await new Response(stream).arrayBuffer();
      });
      await failure("interrupted", () => vault.prune({ keepLast: 1 }, { signal }));
      await failure("interrupted", () => vault.verify({ signal }));
      await failure(
        "interrupted",
        () => openVault({ home: folder.home, lockWaitMs: 60_000, signal }),
      );
      assertEquals((await vault.history("tree/key")).length, 2);
    });
  });
}

Deno.test("VaultError interrupted: a stream that was begun ends with it too", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", randomBytes(9_000_000));
    const controller = new AbortController();
    const { stream } = await vault.get("key", { signal: controller.signal });
    const reader = stream.getReader();
    await reader.read();
    controller.abort(new Error("no more"));
    await failure("interrupted", async () => {
      while (!(await reader.read()).done);
    });
  });
});
