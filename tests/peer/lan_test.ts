import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LAN_ASK_MS, LAN_SERVICES_MAX, toHex } from "../../src/base/mod.ts";
import {
  joinLan,
  LAN_MODULES,
  lanAddresses,
  type LanLibrary,
  type LanModules,
  type LanService,
  loadLibrary,
} from "../../src/peer/lan.ts";
import { VirtualTime } from "../net/helpers.ts";
import { NETWORK, nodeOf, seedOf } from "./statements_helpers.ts";

const self = { networkId: NETWORK.networkId, node: nodeOf("anna") };

function serviceOf(name: string, more: Partial<LanService> = {}): LanService {
  return {
    txt: { network: toHex(NETWORK.networkId.subarray(0, 8)), node: toHex(nodeOf(name)) },
    port: 3000,
    referer: { address: "192.168.1.9" },
    ...more,
  };
}

Deno.test("lanAddresses: other nodes of the same network, by who announced them first", () => {
  assertEquals(lanAddresses(serviceOf("bert"), self), ["192.168.1.9:3000"]);
  const addresses = ["192.168.1.9", "fd00::9"];
  assertEquals(lanAddresses(serviceOf("bert", { addresses }), self), [
    "192.168.1.9:3000",
    "[fd00::9]:3000",
  ]);
});

Deno.test("lanAddresses: this node itself, other networks, and nonsense give none", () => {
  const other = { network: toHex(seedOf("other").subarray(0, 8)), node: toHex(nodeOf("bert")) };
  const bad: LanService[] = [
    serviceOf("anna"),
    serviceOf("bert", { txt: other }),
    serviceOf("bert", { txt: { ...serviceOf("bert").txt, node: "../../etc" } }),
    serviceOf("bert", { txt: { ...serviceOf("bert").txt, node: 7 } }),
    serviceOf("bert", { port: 70_000 }),
    serviceOf("bert", { referer: { address: "a b\u001b[2J" } }),
    {},
  ];
  for (const service of bad) assertEquals(lanAddresses(service, self), []);
});

/** A library that notes what is asked of it. */
class FakeLibrary implements LanLibrary {
  readonly calls: string[] = [];
  heard: (service: LanService) => void = () => {};
  readonly services: unknown[] = [];

  publish(service: { name: string; port: number }): void {
    this.calls.push(`publish ${service.port}`);
  }

  find(_: unknown, onUp: (service: LanService) => void) {
    this.calls.push("find");
    this.heard = onUp;
    const { services } = this;
    return {
      services,
      update: () => this.calls.push("update"),
      stop: () => this.calls.push("stop"),
    };
  }

  unpublishAll(done: () => void): void {
    this.calls.push("unpublish");
    done();
  }

  destroy(done: () => void): void {
    this.calls.push("destroy");
    done();
  }
}

Deno.test("joinLan: announces, asks again from time to time, tells what it finds, says goodbye", async () => {
  const library = new FakeLibrary();
  const time = new VirtualTime();
  const found: string[] = [];
  const leave = await joinLan({
    ...self,
    port: 4000,
    timers: time,
    onFound: (address) => found.push(address),
    onNotice: () => {},
    load: () => Promise.resolve(library),
  });
  library.heard(serviceOf("bert"));
  library.heard(serviceOf("anna"));
  await time.pass(LAN_ASK_MS);
  library.services.push(...new Array(LAN_SERVICES_MAX + 1));
  await time.pass(LAN_ASK_MS);
  await leave();
  await time.pass(10 * LAN_ASK_MS);
  assertEquals(found, ["192.168.1.9:3000"]);
  assertEquals(library.calls, [
    "publish 4000",
    "find",
    "update",
    "stop",
    "find",
    "stop",
    "unpublish",
    "destroy",
  ]);
});

Deno.test("joinLan: where it can't be done, that is said once, and nothing fails", async () => {
  const notices: string[] = [];
  const options = {
    ...self,
    port: 4000,
    timers: new VirtualTime(),
    onFound: () => {},
    onNotice: (text: string) => notices.push(text),
  };
  const leave = await joinLan({
    ...options,
    load: () => Promise.reject(new Error("no multicast")),
  });
  await leave();
  const library = new FakeLibrary();
  let report: (error: Error) => void = () => {};
  const leaveAgain = await joinLan({
    ...options,
    load: (onError) => {
      report = onError;
      return Promise.resolve(library);
    },
  });
  report(new Error("in use"));
  report(new Error("in use"));
  await leaveAgain();
  assertEquals(notices.length, 2);
  assertStringIncludes(notices[0]!, "Cannot look for nodes on the local network: no multicast");
});

/** Modules that note what is asked of them; the one that is named fails. */
function fakeModules(failing: "bind" | "addMembership" | null = null) {
  const calls: string[] = [];
  const listeners: ((error: Error) => void)[] = [];
  const note = (name: string, ...values: unknown[]) => {
    calls.push([name, ...values].join(" "));
    if (name === failing) throw new Error(`${name} failed`);
  };
  let onError: (error: Error) => void = () => {};
  const socket: Awaited<ReturnType<LanModules["socket"]>> = {
    once: (_, listener) => onError = listener,
    bind: (port, done) => {
      calls.push(`bind ${port}`);
      if (failing === "bind") onError(new Error("bind failed"));
      else done();
    },
    setMulticastTTL: (ttl) => note("setMulticastTTL", ttl),
    setMulticastLoopback: (isOn) => note("setMulticastLoopback", isOn),
    addMembership: (group) => note("addMembership", group),
    close: () => note("close"),
  };
  const library = new FakeLibrary();
  const modules: LanModules = {
    socket: () => Promise.resolve(socket),
    bonjour: () => {
      calls.push("bonjour");
      const on = (_: string, listener: (error: Error) => void) => listeners.push(listener);
      return Promise.resolve(Object.assign(library, { server: { mdns: { on } } }));
    },
  };
  return { modules, calls, library, listeners };
}

Deno.test("loadLibrary: loads it once a socket could join the group, and hears of its errors", async () => {
  const { modules, calls, library, listeners } = fakeModules();
  const errors: string[] = [];
  const loaded = await loadLibrary((error) => errors.push(error.message), modules);
  assertEquals(loaded, library);
  assertEquals(calls, [
    "bind 0",
    "setMulticastTTL 255",
    "setMulticastLoopback true",
    "addMembership 224.0.0.251",
    "close",
    "bonjour",
  ]);
  for (const listener of listeners) listener(new Error("the interface went away"));
  assertEquals(errors, ["the interface went away"]);
});

Deno.test("loadLibrary: without multicast it loads nothing, says why, and leaves no socket open", async () => {
  for (const failing of ["bind", "addMembership"] as const) {
    const { modules, calls } = fakeModules(failing);
    await assertRejects(() => loadLibrary(() => {}, modules), Error, `${failing} failed`);
    assertEquals([calls.at(-1), calls.includes("bonjour")], ["close", false]);
  }
});

Deno.test("loadLibrary: with a socket of this machine it goes on, or says why it can't", async () => {
  const { modules, calls, library } = fakeModules();
  const loading = loadLibrary(() => {}, { ...modules, socket: LAN_MODULES.socket });
  const result = await loading.catch((error: Error) => error.message);
  // Whether there is multicast is the machine's affair.
  if (typeof result === "string") assertEquals([result.length > 0, calls], [true, []]);
  else assertEquals([result, calls], [library, ["bonjour"]]);
});
