import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { decodeLetter, signLetter } from "../../src/peer/mail.ts";
import { assertStrict } from "../log/helpers.ts";
import { story, type TownNode } from "./sessions_helpers.ts";
import { NETWORK, nodeOf, signerOf, T0 } from "./statements_helpers.ts";

function texts(node: TownNode): string[] {
  return node.events.flatMap((event) => event.kind === "message" ? [event.text] : []);
}

Deno.test("decodeLetter: gives what was signed; no byte can be changed", () => {
  const anna = signerOf("anna");
  for (const to of [nodeOf("bert"), "all"] as const) {
    const said = { to, counter: 7n, time: T0, text: "Grüße 🏡" };
    const bytes = signLetter(NETWORK, said, anna);
    const letter = decodeLetter(bytes, NETWORK, anna.publicKey);
    assertEquals(letter, { ...said, from: nodeOf("anna") });
    assertStrict(bytes, (changed) => {
      try {
        decodeLetter(changed, NETWORK, anna.publicKey);
        return changed;
      } catch (error) {
        throw new VaultError("damaged", String(error));
      }
    });
    assertThrows(() => decodeLetter(bytes, NETWORK, signerOf("carl").publicKey), VaultError);
  }
});

story("send: to one, to all, in order, once", async (town) => {
  const [a, b, c] = await town.grow(3);
  const sends = ["1", "2", "3"].map((text) => a!.table.mailbox.send(b!.id, text));
  assertEquals((await town.during(Promise.all(sends))).map(({ delivered }) => delivered), [
    1,
    1,
    1,
  ]);
  assertEquals(await town.during(a!.table.mailbox.send("all", "4")), { delivered: 2 });
  assertEquals([texts(b!), texts(c!), texts(a!)], [["1", "2", "3", "4"], ["4"], []]);
});

story("send: the same letter twice, or one for somebody else, is not taken", async (town) => {
  const [a, b, c] = await town.grow(3);
  const { channel } = a!.table.session(b!.id)!;
  const letter = (to: TownNode, counter: bigint, text: string) =>
    signLetter(NETWORK, { to: to.id, counter, time: T0, text }, signerOf("a"));
  const first = letter(b!, 5n, "once");
  await town.during(channel.request("mail", { letter: first }), 1);
  for (const again of [first, letter(b!, 4n, "late"), letter(c!, 9n, "not yours")]) {
    await assertRejects(
      () => town.during(channel.request("mail", { letter: again }), 1),
      VaultError,
    );
  }
  // C passes on what A wrote to it.
  const stolen = letter(b!, 10n, "stolen");
  const other = c!.table.session(b!.id)!.channel.request("mail", { letter: stolen });
  await assertRejects(() => town.during(other, 1), VaultError);
  assertEquals(texts(b!), ["once"]);
});

story("send: counters go on after a restart, though the clock jumps back", async (town) => {
  const [a, b] = await town.grow(2);
  await town.during(a!.table.mailbox.send(b!.id, "before"));
  const { mailCounter } = a!.file.state;
  await a!.stop();
  town.clock.now = () => T0 - 3_600_000 + town.time.now();
  await a!.start();
  await town.pass(70);
  await town.during(a!.table.mailbox.send(b!.id, "after"));
  assertEquals(texts(b!), ["before", "after"]);
  assertEquals(a!.file.state.mailCounter > mailCounter, true);
});

story("send: who is not up, no member, too long: errors that say so", async (town) => {
  const [a, b] = await town.grow(2);
  const refusal = async (to: TownNode["id"] | "all", text = "x") => {
    const error = await assertRejects(
      () => town.during(a!.table.mailbox.send(to, text)),
      VaultError,
    );
    return `${error.code}: ${error.message}`;
  };
  assertEquals(
    (await refusal(b!.id, "x".repeat(4097))).slice(0, 31),
    "usage: Cannot send the message:",
  );
  assertEquals((await refusal(nodeOf("nobody"))).slice(0, 9), "not_found");
  assertEquals((await refusal(a!.id)).slice(0, 5), "usage");
  await b!.stop();
  const down = await refusal(b!.id);
  assertEquals(down.startsWith("too_few_peers: ") && down.endsWith("(b) is not up"), true, down);
  assertEquals(await refusal("all"), "too_few_peers: Cannot send the message: no other node is up");
});
