/** What decoders lead to: rosters of statements, streams of control messages, key files that are unlocked, retention. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concatBytes, fromHex, isVaultError, toHex } from "../../src/base/mod.ts";
import { References } from "../../src/content/mod.ts";
import { applyDelta, makeDelta, REFERENCE_BYTES } from "../../src/content/mod.ts";
import {
  CONTROL_PIECE_BYTES,
  ControlConnection,
  ControlViolation,
  encodeControl,
} from "../../src/daemon/control_protocol.ts";
import { isDialAddress, lanAddresses, Roster } from "../../src/peer/mod.ts";
import { decodeKeyFile, encodeKeyFile } from "../../src/seal/mod.ts";
import { isEmptyRetention, keptByRetention } from "../../src/vault/retention.ts";
import { NETWORK, randomOf, seedOf } from "../peer/statements_helpers.ts";
import { Dice } from "../log/helpers.ts";
import { allocatedBy } from "./allocation.ts";
import { anyBytes, anyId, anyText, blob, changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";
import { MESSAGES } from "./control_targets.ts";
import { STATEMENTS } from "./peer_targets.ts";

const seed = fc.nat({ max: 0xffff_ffff });

Deno.test("Roster.merge: the same roster in whatever order statements come, changed ones among them", () => {
  const broken = fc.tuple(STATEMENTS, changes, STATEMENTS)
    .map(([good, made, other]) => changed(good, made, other));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(STATEMENTS, STATEMENTS, broken, anyBytes), { maxLength: 8 }),
      seed,
      (statements, order) => {
        const first = new Roster(NETWORK);
        for (const error of first.merge(statements).refused) {
          assert(isVaultError(error) && ["damaged", "denied"].includes(error.code), String(error));
        }
        const second = new Roster(NETWORK);
        for (const each of new Dice(order).shuffle(statements)) second.merge([each]);
        assertEquals(toHex(second.digest()), toHex(first.digest()));
        const third = new Roster(NETWORK, first.statements());
        assertEquals(toHex(third.digest()), toHex(first.digest()));
      },
    ),
    trying(60),
  );
});

Deno.test("ControlConnection.receive: whole messages or a violation, however the stream is cut", async () => {
  const streams = fc.tuple(fc.array(MESSAGES, { minLength: 1, maxLength: 6 }), changes, anyBytes)
    .map(([messages, made, other]) => {
      const good = concatBytes(messages.map(encodeControl));
      return { messages, good, bad: changed(good, made, other) };
    });
  const receiveAll = async (bytes: Bytes, how: number) => {
    const dice = new Dice(how);
    let at = 0;
    const connection = new ControlConnection({
      read(into) {
        if (at === bytes.length) return Promise.resolve(null);
        const count = Math.min(into.length, bytes.length - at, 1 + dice.roll(dice.pick([2, 5000])));
        into.set(bytes.subarray(at, at + count));
        at += count;
        return Promise.resolve(count);
      },
      write: (piece) => Promise.resolve(piece.length),
      close() {},
    });
    const received: Bytes[] = [];
    for (let next; (next = await connection.receive()) !== null;) {
      received.push(encodeControl(next));
    }
    return received;
  };
  await fc.assert(
    fc.asyncProperty(streams, seed, async ({ messages, good, bad }, how) => {
      const received = await receiveAll(good, how);
      assertEquals(received.map(toHex), messages.map(encodeControl).map(toHex));
      let allocated = 0;
      try {
        await allocatedBy(() => receiveAll(bad, how), (count) => allocated = count);
      } catch (error) {
        assert(error instanceof ControlViolation, String(error));
      }
      assert(allocated <= 16 * bad.length + 4 * CONTROL_PIECE_BYTES, `${allocated} bytes`);
    }),
    trying(150),
  );
});

Deno.test("decodeKeyFile: a protected file that was changed is damaged, or its passphrase wrong", async () => {
  const secret = seedOf("secret");
  const text = await encodeKeyFile({ kind: "vault", secret, passphrase: "p" }, randomOf("salt"));
  // As cheap as a reader takes, sealed under no key: unlocking takes its time and fails.
  const cheap = text.replace('"n":65536,"r":8,"p":2', '"n":16384,"r":1,"p":1');
  const open = (file: string) =>
    decodeKeyFile(file, { kind: "vault", passphrase: () => "p" }).then(
      (found) => toHex(found),
      (error) => isVaultError(error) ? error.code : String(error),
    );
  assertEquals(await open(text), toHex(secret));
  assertEquals(await open(cheap), "denied");
  const at = cheap.indexOf('"sealed":"') + 10;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 119 }), fc.nat({ max: 15 }), async (place, digit) => {
      const changedText = cheap.slice(0, at + place) + digit.toString(16) +
        cheap.slice(at + place + 1);
      assertEquals(await open(changedText), "denied");
    }),
    trying(8),
  );
  const costs = [
    ...['"n":1,', '"n":0,', '"n":65537,', '"n":1e6,', '"n":8192,', '"n":2097152,', '"n":-16384,'],
    ...['"n":16384.5,', '"n":"16384",', '"n":1e999,', '"n":null,'],
  ];
  for (const cost of costs) assertEquals(await open(text.replace('"n":65536,', cost)), "damaged");
  for (const cost of ['"r":0', '"r":17', '"r":9.5', '"p":0', '"p":17', '"p":4294967296']) {
    assertEquals(await open(text.replace(/"[rp]":\d+/, cost)), "damaged", cost);
  }
  // 128 · n · r over 512 MiB
  assertEquals(await open(text.replace('"n":65536,"r":8', '"n":1048576,"r":5')), "damaged");
});

Deno.test("applyDelta: gives what was meant, and refuses what lies outside of its base", () => {
  const references = fc.array(fc.tuple(anyId, anyId, blob(8)), { maxLength: 12 })
    .map((all) => new References(concatBytes(all.flat()) as Bytes));
  fc.assert(
    fc.property(references, references, fc.nat({ max: 30 }), (base, other, count) => {
      const mixed = new References(
        concatBytes([other.bytes, base.bytes.subarray(0, REFERENCE_BYTES * (base.count >> 1))]),
      );
      const operations = makeDelta(base, mixed);
      assertEquals(toHex(applyDelta(base, operations, mixed.count).bytes), toHex(mixed.bytes));
      for (const old of [base, other]) {
        try {
          assertEquals(applyDelta(old, operations, count).count, count);
        } catch (error) {
          assert(isVaultError(error, "damaged"), String(error));
        }
      }
    }),
    trying(100),
  );
});

Deno.test("keptByRetention: the newest stays, no rule keeps fewer than it says, and keeping twice is keeping once", () => {
  const rule = fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 5 }));
  const retention = fc.record({
    keepLast: rule,
    keepHourly: rule,
    keepDaily: rule,
    keepWeekly: rule,
    keepMonthly: rule,
    keepYearly: rule,
    keepWithinMs: fc.oneof(fc.constant(undefined), fc.nat({ max: 1e12 })),
  });
  // What the clock of a record can say: 63 bits, of which 16 count within the millisecond.
  const times = fc.array(fc.integer({ min: 0, max: 2 ** 47 - 1 }), { maxLength: 20 })
    .map((all) => all.sort((a, b) => a - b).map((time) => ({ time })));
  fc.assert(
    fc.property(times, retention, fc.nat({ max: 2e12 }), (versions, rules, now) => {
      const kept = keptByRetention(versions, rules, now);
      if (isEmptyRetention(rules)) assertEquals(kept.size, versions.length);
      if (versions.length > 0) assert(kept.has(versions.at(-1)!), "the newest is dropped");
      assert(kept.size >= Math.min(versions.length, rules.keepLast ?? 0));
      for (const each of versions) {
        if (rules.keepWithinMs !== undefined && now - each.time <= rules.keepWithinMs) {
          assert(kept.has(each), "a young version is dropped");
        }
      }
      const left = versions.filter((each) => kept.has(each));
      assertEquals(keptByRetention(left, rules, now).size, left.length);
    }),
    trying(200),
  );
});

Deno.test("lanAddresses: of whatever is announced only addresses that can be dialled", () => {
  const self = { networkId: NETWORK.networkId, node: seedOf("self") };
  const network = toHex(NETWORK.networkId.subarray(0, 8));
  const value = fc.oneof(anyText, fc.integer(), fc.constantFrom(undefined, null, true, network));
  const host = fc.oneof(anyText, fc.constantFrom("10.0.0.1", "fe80::1", "2001:db8::1"));
  fc.assert(
    fc.property(
      fc.record({
        txt: fc.record({
          network: fc.oneof(fc.constant(network), value),
          node: fc.oneof(anyId.map(toHex), value),
        }),
        port: fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.double()),
        addresses: fc.array(host, { maxLength: 8 }),
        referer: fc.record({ address: host }),
      }),
      (service) => {
        const found = lanAddresses(service, self);
        assert(found.length <= 5 && found.every(isDialAddress), found.join());
        if (service.txt.network !== network) assertEquals(found, []);
      },
    ),
    trying(200),
  );
  assertEquals(fromHex(network).length, 8);
});
