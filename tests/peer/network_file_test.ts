import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeUtf8, NETWORK_FILE_BYTES_MAX, toHex, VaultError } from "../../src/base/mod.ts";
import {
  decodeNetworkFile,
  encodeNetworkFile,
  foundNetwork,
  joinNetwork,
  NetworkFile,
  type NetworkState,
  ownRole,
} from "../../src/peer/network_file.ts";
import { signSecret } from "../../src/peer/session_secrets.ts";
import { decodeToken, encodeToken, type Token } from "../../src/peer/token.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  AUTHORITY,
  DAY,
  memberOf,
  NETWORK,
  nodeOf,
  seedOf,
  signerOf,
  T0,
  ticketOf,
} from "./statements_helpers.ts";

const ANNA = signerOf("anna").publicKey;
const BERT = signerOf("bert").publicKey;

function founded(): NetworkState {
  return foundNetwork({
    networkId: NETWORK.networkId,
    secret: seedOf("secret 0"),
    authority: AUTHORITY,
    nodeKey: ANNA,
    nowMs: T0,
  });
}

function tokenWith(more: Partial<Token> = {}) {
  return decodeToken(encodeToken({
    network: NETWORK,
    secret: founded().secrets.newest,
    inviter: memberOf("anna"),
    ticket: ticketOf("1"),
    masterKey: null,
    ...more,
  }));
}

Deno.test("decodeNetworkFile: gives what encodeNetworkFile was given", () => {
  const state = founded();
  state.roster.merge([memberOf("anna"), memberOf("bert", { with: ticketOf("1") })]);
  state.secrets.add(signSecret(NETWORK, { epoch: 1, secret: seedOf("secret 1") }, AUTHORITY));
  state.addresses = ["a:1", "[fd00::1]:2"];
  state.port = 3000;
  state.mailCounter = 2n ** 62n;
  const read = decodeNetworkFile(encodeNetworkFile(state), ANNA);
  assertEquals(toHex(read.roster.digest()), toHex(state.roster.digest()));
  assertEquals(read.secrets.all(), state.secrets.all());
  assertEquals(read.secrets.newest.epoch, 1);
  assertEquals(
    [read.addresses, read.port, read.mailCounter],
    [["a:1", "[fd00::1]:2"], 3000, 2n ** 62n],
  );
  assertEquals(ownRole(read), "owner");
});

Deno.test("decodeNetworkFile: says what is wrong", () => {
  const text = encodeNetworkFile(founded());
  const change = (more: Record<string, unknown>) =>
    JSON.stringify({ ...JSON.parse(text), ...more });
  const refusals: [string, string][] = [
    ["{", "it is no JSON"],
    ["null", "its shape is wrong"],
    [change({ format: 2 }), "its format is wrong"],
    [change({ networkId: "ab" }), "its networkId is wrong"],
    [change({ secrets: {} }), "its list of secrets is wrong"],
    [change({ secrets: [] }), "there is no secret"],
    [change({ port: 70_000 }), "its port is wrong"],
    [change({ mailCounter: -1 }), "its mail counter is wrong"],
    [change({ addresses: ["../x"] }), "its list of addresses is wrong"],
    [change({ statements: ["AAAA"] }), "Cannot decode statement"],
    [change({ statements: ["A"] }), "its list of statements is wrong"],
    [change({ authority: toHex(ANNA) }), "the network's authority did not sign it"],
  ];
  for (const [bad, why] of refusals) {
    const error = assertThrows(() => decodeNetworkFile(bad, ANNA), VaultError, why);
    assertEquals(error.code, "damaged");
  }
  // The file of another node: its admission is not ours.
  assertThrows(() => decodeNetworkFile(text, BERT), VaultError, "nobody admitted it");
});

Deno.test("NetworkFile: what was saved is there after a power cut, whole", async () => {
  const disk = new MemoryDisk();
  const file = await NetworkFile.make("home/network.json", founded(), disk);
  for (let round = 0; round < 20; round++) {
    file.state.roster.merge([memberOf("bert", { stamp: T0 + round })]);
    await file.save();
    const during = file.save();
    disk.crash(() => (round % 10) / 10);
    await during.catch(() => {});
    const read = NetworkFile.load("home/network.json", ANNA, disk)!;
    assertEquals(read.state.roster.member(nodeOf("bert"))?.stamp, T0 + round);
  }
});

Deno.test("NetworkFile.save: calls at once share writes, and each finds its change durable", async () => {
  const disk = new MemoryDisk();
  const file = await NetworkFile.make("home/network.json", founded(), disk);
  let syncs = 0;
  disk.onCall = ({ name, path }) => {
    if (name === "sync" && path.endsWith(".new")) syncs++;
  };
  const saves = [1, 2, 3, 4, 5].map((port) => {
    file.state.port = port;
    return file.save();
  });
  await Promise.all(saves);
  assertEquals(syncs, 2);
  assertEquals(NetworkFile.load("home/network.json", ANNA, disk)!.state.port, 5);
});

Deno.test("NetworkFile.load: no file is null; a huge one is refused unread", async () => {
  const disk = new MemoryDisk();
  assertEquals(NetworkFile.load("home/network.json", ANNA, disk), null);
  disk.rewrite("home/network.json", () => new Uint8Array(NETWORK_FILE_BYTES_MAX + 1));
  const error = assertThrows(() => NetworkFile.load("home/network.json", ANNA, disk), VaultError);
  assertEquals(error.code, "damaged");
  disk.rewrite("home/network.json", () => encodeUtf8("not json"));
  assertThrows(() => NetworkFile.load("home/network.json", ANNA, disk), VaultError, "no JSON");
  await assertRejects(
    () => {
      disk.onCall = () => {
        throw new Deno.errors.PermissionDenied("no");
      };
      return NetworkFile.make("home/network.json", founded(), disk);
    },
    VaultError,
    "Cannot write home/network.json: permission denied",
  );
});

Deno.test("joinNetwork: a ticket admits by its role, the network's own vault as an owner", () => {
  const storage = joinNetwork(tokenWith(), { nodeKey: BERT, nowMs: T0 + DAY });
  assertEquals(ownRole(storage), "storage");
  assertEquals(storage.addresses, ["anna:3000"]);
  assertEquals(storage.roster.member(nodeOf("anna"))?.name, "anna");
  const owner = joinNetwork(tokenWith({ ticket: null }), {
    nodeKey: BERT,
    nowMs: T0,
    authority: AUTHORITY,
  });
  assertEquals(ownRole(owner), "owner");
  const stranger = joinNetwork(tokenWith({ ticket: null }), {
    nodeKey: BERT,
    nowMs: T0,
    authority: signerOf("another vault"),
  });
  assertEquals(stranger.admission, null);
});

Deno.test("joinNetwork: an expired token is refused; a clock somewhat behind is not", () => {
  const error = assertThrows(
    () => joinNetwork(tokenWith(), { nodeKey: BERT, nowMs: T0 + 8 * DAY }),
    VaultError,
    "the token expired at",
  );
  assertEquals(error.code, "denied");
  const behind = joinNetwork(tokenWith(), { nodeKey: BERT, nowMs: T0 - 60_000 });
  decodeNetworkFile(encodeNetworkFile(behind), BERT);
});
