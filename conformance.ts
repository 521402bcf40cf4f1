/**
 * Suites of tests that show whether a backend of your own keeps the contract of the interface that it implements: a
 * place that keeps objects, a transport between nodes, an index of logs.
 *
 * ```ts
 * import { chunkStoreConformance } from "@govault/govault/conformance";
 * import { MyStore } from "./my_store.ts";
 *
 * chunkStoreConformance(Deno, {
 *   name: "MyStore",
 *   make: async () => {
 *     const store = await MyStore.open("bucket");
 *     return { store, close: () => store.deleteEverything() };
 *   },
 * });
 * ```
 *
 * Each makes some tests, by handing names and functions to the first argument: `Deno` will do, as will anything else
 * that has a function `test`. What a backend can't do (be opened again, lose its power) is left out of what `make`
 * returns, and is not tested.
 *
 * @module
 */

export {
  type ChunkStoreConformance,
  chunkStoreConformance,
  ContractError,
  type LedgerConformance,
  ledgerConformance,
  type LedgerUnderTest,
  type StoreUnderTest,
  type Tester,
  type TransportConformance,
  transportConformance,
  type TransportUnderTest,
} from "./src/conformance/mod.ts";
export type { Address, Bytes, NodeId, RecordId } from "./src/base/mod.ts";
export type {
  Inventory,
  InventoryEntry,
  InventoryPart,
  PackedEntries,
  PruneRecord,
  RecordPublic,
  TagRecord,
  VersionKind,
  VersionRecord,
} from "./src/log/mod.ts";
export type { Connection, Credentials, Listener, LogHead, Transport } from "./src/net/mod.ts";
export type { EnteredSegment, Ledger, LedgerSegment } from "./src/peer/mod.ts";
export {
  type ChunkStore,
  type NewObject,
  OBJECT_KINDS,
  type ObjectInfo,
  type ObjectKind,
} from "./src/store/mod.ts";
