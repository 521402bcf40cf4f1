/** What a channel says that it has in memory. */

import { assert, assertEquals } from "@std/assert";
import { sha256 } from "../../src/base/mod.ts";
import { REQUESTS } from "../../src/net/message_table.ts";
import { channelPair, settled } from "./helpers.ts";

const address = sha256(new Uint8Array([1]));

Deno.test("Channel.load: what is asked and answered counts until the answer is there, then nothing does", async () => {
  const answer = Promise.withResolvers<void>();
  const { a, b } = await channelPair({
    b: {
      get: async () => {
        await answer.promise;
        return { object: null };
      },
    },
  });
  const nothing = a.load;
  assertEquals(new Set(Object.values(nothing)), new Set([0]));
  const asks = [1, 2].map(() => a.request("get", { address }));
  await settled();
  assertEquals(a.load, { ...nothing, asks: 2, bulkAsks: 2, askBytes: 64 });
  const { bytesMax } = REQUESTS.get.reply;
  assertEquals(b.load, {
    ...{ ...nothing, answers: 2, answeredAskBytes: 64 },
    answerBytes: 2 * bytesMax,
  });
  answer.resolve();
  await Promise.all(asks);
  assertEquals([a.load, b.load], [nothing, nothing]);
  a.notify("bye", { reason: "done" });
  assert(a.load.eventBytes > 0 && a.load.queuedBytes === a.load.eventBytes);
  await settled();
  assertEquals(a.load, nothing);
  await a.close("done");
});
