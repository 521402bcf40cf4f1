/** The ledgers there are, each under the contract: the vault's index of records, on a disk and in memory, and the tests' own. */

import { systemClock, systemRandom } from "../../src/base/mod.ts";
import { ledgerConformance, type LedgerUnderTest } from "../../src/conformance/mod.ts";
import { initVault, openVault } from "../../src/vault/mod.ts";
import type { Machine } from "../../src/vault/machine.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import { TestLedger, TestStore } from "../peer/doubles.ts";
import { homeWithVault } from "../vault/helpers.ts";

async function onDisk(): Promise<LedgerUnderTest> {
  const folder = await homeWithVault();
  let vault = await openVault({ home: folder.home });
  return {
    ledger: vault.peerSide().ledger,
    reopen: async () => {
      await vault.close();
      vault = await openVault({ home: folder.home });
      return vault.peerSide().ledger;
    },
    close: async () => {
      await vault.close();
      folder[Symbol.dispose]();
    },
  };
}

/** The same on a disk in memory: the index is made anew whenever it is opened. */
async function inMemory(): Promise<LedgerUnderTest> {
  const machine: Machine = {
    disk: new MemoryDisk(),
    clock: systemClock,
    random: systemRandom,
    lock: () => Promise.resolve({ release() {} }),
    indexPath: () => ":memory:",
    hasThreads: false,
    pace: { steps: 1, others: () => Promise.resolve() },
  };
  const home = "/home";
  await initVault({ home, machine });
  let vault = await openVault({ home, machine });
  return {
    ledger: vault.peerSide().ledger,
    reopen: async () => {
      await vault.close();
      vault = await openVault({ home, machine });
      return vault.peerSide().ledger;
    },
    close: () => vault.close(),
  };
}

ledgerConformance(Deno, { name: "Ledger of a vault on a disk", make: onDisk });
ledgerConformance(Deno, { name: "Ledger of a vault in memory", make: inMemory });
ledgerConformance(Deno, {
  name: "TestLedger",
  make: () =>
    Promise.resolve({
      ledger: new TestLedger(new TestStore()),
      close: () => Promise.resolve(),
    }),
});
