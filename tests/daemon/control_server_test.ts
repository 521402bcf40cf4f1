import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname } from "@std/path";
import { controlPlace, findSocket } from "../../src/daemon/control_place.ts";
import { ControlServer } from "../../src/daemon/control_server.ts";
import { conversation, HELLO, ServerBox } from "./helpers.ts";

const unixOnly = { ignore: Deno.build.os === "windows" };
const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test(
  "ControlServer: runs what a client types, and gives it output, errors and exit code",
  unixOnly,
  async () => {
    await using box = ServerBox.make(async ({ hello, output, error }) => {
      error(utf8(`in ${hello.cwd}: `));
      await output(utf8(hello.args.join("+")));
      error(utf8("done"));
      return 3;
    });
    const heard = await conversation(await box.call(["ls", "-a"]));
    assertEquals(heard, { out: "ls+-a", err: "in /somewhere: done", code: 3 });
  },
);

Deno.test("ControlServer: a long output comes whole and in order", unixOnly, async () => {
  const text = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join("");
  await using box = ServerBox.make(async ({ output }) => {
    await output(utf8(text));
    return 0;
  });
  assertEquals((await conversation(await box.call())).out, text);
});

Deno.test("ControlServer: input is asked for piece by piece, and ends", unixOnly, async () => {
  await using box = ServerBox.make(async ({ input, output }) => {
    for (let piece = await input(); piece !== null; piece = await input()) await output(piece);
    return 0;
  });
  const client = await box.call();
  for (const word of ["one ", "two"]) {
    assertEquals((await client.receive())?.kind, "want");
    await client.send({ kind: "input", bytes: utf8(word) });
    assertEquals((await client.receive())?.kind, "output");
  }
  assertEquals((await client.receive())?.kind, "want");
  await client.send({ kind: "inputEnd" });
  assertEquals(await client.receive(), { kind: "exit", code: 0 });
});

Deno.test("ControlServer: a secret is asked for and answered, or not", unixOnly, async () => {
  await using box = ServerBox.make(async ({ ask, output }) => {
    await output(utf8(String(await ask("Word: "))));
    return 0;
  });
  for (const [text, out] of [["sesame", "sesame"], [null, "null"]] as const) {
    const client = await box.call();
    assertEquals(await client.receive(), { kind: "ask", message: "Word: " });
    await client.send({ kind: "answer", text });
    assertEquals((await conversation(client)).out, out);
  }
});

/** A command that goes on until it is cancelled, and tells when it has begun. */
function endless() {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const run = ({ signal }: { signal: AbortSignal }) => {
    begun.resolve();
    return new Promise<number>((resolve) =>
      signal.addEventListener("abort", () => {
        ended.resolve((signal.reason as Error).message);
        resolve(130);
      })
    );
  };
  return { run, begun: begun.promise, ended: ended.promise };
}

Deno.test("ControlServer: Ctrl-C reaches the command", unixOnly, async () => {
  const { run, begun, ended } = endless();
  await using box = ServerBox.make(run);
  const client = await box.call();
  await begun;
  await client.send({ kind: "cancel" });
  assertEquals(await ended, "interrupted");
  assertEquals((await conversation(client)).code, 130);
});

Deno.test("ControlServer: a client that goes away cancels its command", unixOnly, async () => {
  const { run, begun, ended } = endless();
  await using box = ServerBox.make(run);
  const client = await box.call();
  await begun;
  client.close();
  assertEquals(await ended, "the client went away");
});

Deno.test("ControlServer: input that nobody asked for ends the connection", unixOnly, async () => {
  const { run, begun, ended } = endless();
  await using box = ServerBox.make(run);
  const client = await box.call();
  await begun;
  await client.send({ kind: "input", bytes: utf8("?") });
  assertEquals(await ended, "input that nobody asked for");
});

Deno.test("ControlServer: several at once, each with its own streams", unixOnly, async () => {
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  await using box = ServerBox.make(async ({ hello, output }) => {
    if (++waiting === 20) all.resolve();
    await all.promise;
    await output(utf8(hello.args[0]!));
    return 0;
  });
  const names = Array.from({ length: 20 }, (_, i) => `client ${i}`);
  const heard = await Promise.all(names.map(async (name) => conversation(await box.call([name]))));
  assertEquals(heard.map(({ out }) => out), names);
});

Deno.test(
  "ControlServer: another version is told so, and other programs are no clients",
  unixOnly,
  async () => {
    await using box = ServerBox.make(() => Promise.reject(new Error("nothing should run")));
    const other = await box.connect();
    await other.send({ kind: "hello", version: 99, hello: null });
    const refused = await other.receive();
    assertEquals(refused?.kind === "refused" && [refused.reason, refused.version], ["version", 1]);
    assertEquals(await other.receive(), null);

    const stranger = await box.connect();
    await stranger.send({ kind: "cancel" });
    const told = await stranger.receive();
    assertEquals(told?.kind === "refused" && told.reason, "violation");
  },
);

Deno.test("ControlServer: only its owner can get near the socket", unixOnly, async () => {
  await using box = ServerBox.make(() => Promise.resolve(0), {
    prepare: (home) => Deno.mkdirSync(controlPlace(home).folder, { mode: 0o777 }),
  });
  const mode = (path: string) => Deno.statSync(path).mode! & 0o777;
  assertEquals(mode(findSocket(box.home)!), 0o600);
  assertEquals(mode(controlPlace(box.home).folder), 0o700);
});

Deno.test(
  "ControlServer: where the home's path is too long, the socket is found elsewhere, in private",
  unixOnly,
  async () => {
    await using box = ServerBox.make(() => Promise.resolve(7), { folders: 6 });
    const path = findSocket(box.home)!;
    assert(!path.startsWith(box.home), path);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    assertEquals(Deno.statSync(dirname(path)).mode! & 0o777, 0o700);
    assertEquals((await conversation(await box.call())).code, 7);
    await box.stop();
    assertEquals(findSocket(box.home), null);
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  },
);

Deno.test("ControlServer: the socket of a dead process is in nobody's way", unixOnly, async () => {
  for (const folders of [1, 6]) {
    await using box = ServerBox.make(() => Promise.resolve(0), {
      folders,
      prepare: (home) => {
        const place = controlPlace(home);
        Deno.mkdirSync(place.folder);
        if (place.socket === null) Deno.writeTextFileSync(place.pointer, "/nowhere/socket");
        else Deno.listen({ transport: "unix", path: place.socket }).close();
      },
    });
    assertEquals((await conversation(await box.call())).code, 0);
  }
});

Deno.test(
  "ControlServer.stop: what runs may finish, what is new is refused",
  unixOnly,
  async () => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    await using box = ServerBox.make(async ({ output }) => {
      begun.resolve();
      await finish.promise;
      await output(utf8("finished"));
      return 0;
    });
    const client = await box.call();
    const late = await box.connect();
    await begun.promise;
    const stopping = box.server.stop({ drainMs: 60_000, abandonMs: 0 });
    await late.send({ kind: "hello", version: 1, hello: HELLO });
    const refused = await late.receive();
    assertEquals(refused?.kind === "refused" && refused.reason, "stopping");
    finish.resolve();
    assertEquals(await conversation(client), { out: "finished", err: "", code: 0 });
    await stopping;
    assertEquals(await Deno.stat(controlPlace(box.home).socket!).catch(() => null), null);
  },
);

Deno.test("ControlServer.stop: what goes on too long is cancelled", unixOnly, async () => {
  const { run, begun, ended } = endless();
  await using box = ServerBox.make(run);
  const client = await box.call();
  await begun;
  await box.server.stop({ drainMs: 0, abandonMs: 60_000 });
  assertEquals(await ended, "the node stops");
  assertEquals((await conversation(client)).code, 130);
});

Deno.test("ControlServer.open: a home that can't be written is told", unixOnly, () => {
  try {
    ControlServer.open("/proc", () => Promise.resolve(0));
    throw new Error("it should not listen");
  } catch (error) {
    assert(String(error).includes("Cannot listen for commands in /proc"), String(error));
  }
});

Deno.test(
  "ControlServer: after a connection that could not be taken it takes the next ones",
  unixOnly,
  async () => {
    // What a process hears that has as many files open as it may.
    const real = Deno.listen;
    let failures = 2;
    const failing = (options: Deno.UnixListenOptions & { transport: "unix" }) => {
      const listener = real(options);
      const accept = listener.accept.bind(listener);
      listener.accept = () =>
        failures-- > 0 ? Promise.reject(new Error("Too many open files (os error 24)")) : accept();
      return listener;
    };
    Deno.listen = failing as typeof Deno.listen;
    let box: ServerBox;
    try {
      box = ServerBox.make(() => Promise.resolve(5));
    } finally {
      Deno.listen = real;
    }
    await using _ = box;
    assertEquals((await conversation(await box.call())).code, 5);
  },
);
