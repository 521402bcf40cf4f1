import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { type Bytes, concatBytes, sha256, VaultError } from "../../src/base/mod.ts";
import { signSecret } from "../../src/peer/session_secrets.ts";
import { signSettings } from "../../src/peer/statements.ts";
import { decodeToken, encodeToken, type Token } from "../../src/peer/token.ts";
import {
  AUTHORITY,
  memberOf,
  NETWORK,
  seedOf,
  signerOf,
  T0,
  ticketOf,
} from "./statements_helpers.ts";

function token(more: Partial<Token> = {}): Token {
  return {
    network: NETWORK,
    secret: signSecret(NETWORK, { epoch: 2, secret: seedOf("secret 2") }, AUTHORITY),
    inviter: memberOf("anna"),
    ticket: ticketOf("1"),
    masterKey: null,
    ...more,
  };
}

/** A token whose payload was changed, with a checksum that fits. */
function changed(text: string, change: (payload: Bytes) => void): string {
  const bytes = new Uint8Array(Buffer.from(text.slice("govault1-".length), "base64url"));
  const payload = bytes.slice(0, -8);
  change(payload);
  const whole = concatBytes([payload, sha256(payload).subarray(0, 8)]);
  return `govault1-${Buffer.from(whole).toString("base64url")}`;
}

function refusal(text: string): string {
  const error = assertThrows(() => decodeToken(text), VaultError);
  assertEquals(error.code, "usage");
  return error.message;
}

Deno.test("decodeToken: gives what encodeToken was given", () => {
  for (const masterKey of [null, seedOf("master")]) {
    for (const ticket of [null, ticketOf("1", "owner")]) {
      const given = token({ masterKey, ticket });
      const { member, ...read } = decodeToken(`  ${encodeToken(given)}\n`);
      assertEquals(read, given);
      assertEquals([member.name, member.addresses], ["anna", ["anna:3000"]]);
    }
  }
});

Deno.test("encodeToken: one line that a terminal selects as a word", () => {
  assertEquals(/^govault1-[A-Za-z0-9_-]+$/.test(encodeToken(token())), true);
});

Deno.test("decodeToken: says what is wrong with a token", () => {
  const text = encodeToken(token());
  assertEquals(refusal("hello"), "Cannot read the token: it does not begin with govault1-");
  assertEquals(
    refusal(text.replace("govault1", "govault2")),
    "Cannot read the token: it is of another version of GoVault",
  );
  assertEquals(
    refusal(text.slice(0, -3)),
    "Cannot read the token: a part of it is missing or was changed",
  );
  assertEquals(
    refusal(text.slice(0, 40) + (text[40] === "A" ? "B" : "A") + text.slice(41)),
    "Cannot read the token: a part of it is missing or was changed",
  );
  assertEquals(
    refusal(text.slice(0, 40) + " " + text.slice(41)),
    "Cannot read the token: it has characters that no token has",
  );
  assertEquals(refusal("govault1-" + "A".repeat(20_000)), "Cannot read the token: it is too long");
  assertEquals(
    refusal("govault1-"),
    "Cannot read the token: a part of it is missing or was changed",
  );
});

Deno.test("decodeToken: a token put together by someone else than the authority is refused", () => {
  const mallory = signerOf("mallory");
  const secret = signSecret(NETWORK, { epoch: 9, secret: seedOf("theirs") }, mallory);
  assertEquals(
    refusal(encodeToken(token({ secret }))),
    "Cannot read the token: Cannot take a secret: the network's authority did not sign it",
  );
  const { ticket } = ticketOf("1");
  assertEquals(
    refusal(encodeToken(token({ ticket: { ticket, seed: seedOf("another") } })))
      .includes("halves don't belong together"),
    true,
  );
});

Deno.test("decodeToken: flags of another version, an inviter that is no member", () => {
  const plain = encodeToken(token({ ticket: null }));
  assertEquals(changed(plain, () => {}), plain);
  // Without a ticket and a key the flags are the last byte.
  const odd = changed(plain, (payload) => payload[payload.length - 1] = 4);
  assertEquals(refusal(odd).includes("unknown flags"), true);
  const settings = signSettings(NETWORK, { stamp: T0, replicas: 3 }, AUTHORITY);
  assertEquals(
    refusal(encodeToken(token({ inviter: settings }))).includes("it names no inviter"),
    true,
  );
});
