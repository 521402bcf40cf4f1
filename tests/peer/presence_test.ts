import { assertEquals } from "@std/assert";
import { REDIAL_DELAY_MS_MAX, REDIAL_DELAY_MS_MIN, toHex } from "../../src/base/mod.ts";
import { redialDelay } from "../../src/peer/dialer.ts";
import { absentMembers, Heard } from "../../src/peer/presence.ts";
import { ownAddresses, SeenAt } from "../../src/peer/session_membership.ts";
import { nodeOf, randomOf } from "./statements_helpers.ts";

const [anna, bert, carl] = [nodeOf("anna"), nodeOf("bert"), nodeOf("carl")];

Deno.test("absentMembers: who was not heard of for long, counted from the start at the earliest", () => {
  const heard = new Heard();
  heard.note(anna, 1000);
  heard.note(bert, 5000);
  const absent = (nowMs: number, startedMs = 0) =>
    [...absentMembers(nowMs, [anna, bert, carl], {
      lastHeard: (node) => heard.last(node),
      startedMs,
      downAfterMs: 4000,
    })].sort();
  assertEquals(absent(3999), []);
  assertEquals(absent(4000), [toHex(carl)]);
  assertEquals(absent(8999), [anna, carl].map(toHex).sort());
  assertEquals(absent(9000).length, 3);
  assertEquals(absent(9000, 6000), []);
});

Deno.test("Heard: what goes round among nodes never gets younger", () => {
  const [one, two] = [new Heard(), new Heard()];
  one.note(anna, 0);
  for (let now = 5300; now < 100_000; now += 2700) {
    two.noteAll(one.toTell([anna], now), now, () => true);
    one.noteAll(two.toTell([anna], now + 800), now + 800, () => true);
  }
  assertEquals(one.last(anna), 0);
  assertEquals(two.last(anna)! <= 0, true);
  one.noteAll([{ node: bert, secondsAgo: 1 }], 5000, () => false);
  assertEquals(one.last(bert), null);
  one.noteAll([{ node: bert, secondsAgo: -100 }], 5000, () => true);
  assertEquals(one.last(bert), 5000);
  one.keepOnly([bert]);
  assertEquals(one.last(anna), null);
});

Deno.test("redialDelay: grows from half a second to a minute, and varies", () => {
  const random = randomOf("delays");
  for (let failures = 1; failures < 40; failures++) {
    const most = Math.min(REDIAL_DELAY_MS_MAX, REDIAL_DELAY_MS_MIN * 2 ** failures);
    const delays = Array.from({ length: 50 }, () => redialDelay(failures, random));
    assertEquals(delays.every((ms) => ms >= REDIAL_DELAY_MS_MIN && ms <= most), true);
    if (failures > 3) assertEquals(Math.max(...delays) > most / 2, true);
    assertEquals(new Set(delays).size > 10, true);
  }
});

Deno.test("ownAddresses: what the user says, else the host, else where peers see it and its interfaces", () => {
  const where = {
    advertise: null,
    host: "0.0.0.0",
    port: 3000,
    seen: ["127.0.0.1", "203.0.113.7"],
    interfaces: ["192.168.1.4", "fd00::4", "203.0.113.7"],
  };
  assertEquals(ownAddresses(where), [
    "203.0.113.7:3000",
    "192.168.1.4:3000",
    "[fd00::4]:3000",
    "127.0.0.1:3000",
  ]);
  assertEquals(ownAddresses({ ...where, host: "nas.example" }), ["nas.example:3000"]);
  assertEquals(ownAddresses({ ...where, advertise: "nas.example" }), ["nas.example:3000"]);
  assertEquals(ownAddresses({ ...where, advertise: "nas.example:80" }), ["nas.example:80"]);
  const many = Array.from({ length: 20 }, (_, i) => `10.0.0.${i}`);
  assertEquals(ownAddresses({ ...where, interfaces: many }).length, 8);
});

Deno.test("SeenAt: a single peer can't outvote the others", () => {
  const seen = new SeenAt();
  seen.note("a", "203.0.113.7:40000");
  seen.note("b", "203.0.113.7:40001");
  seen.note("c", "[fd00::1]:40002");
  seen.note("d", "[fd00::1]:40003");
  for (let i = 0; i < 100; i++) seen.note("mallory", `victim${i}.example:1`);
  assertEquals(seen.best().sort(), ["203.0.113.7", "fd00::1"]);
});
