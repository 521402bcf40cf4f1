/**
 * What a command line and the resident node say to each other over the control socket, byte by byte: a message is its
 * length (4 bytes, big endian, without themselves), its tag (1 byte), its fields. Numbers are big endian; a text is the
 * length of its UTF-8 (4 bytes) and that.
 *
 * The first message of a client, and the one that refuses it, keep their shape in all versions, so that an old
 * program and a new one can tell each other so. Imports nothing: a client has to start in no time.
 *
 * @module
 */

/** Version of everything below but {@link ControlMessage} `hello`'s beginning and `refused`. */
export const CONTROL_VERSION = 1;

/** Most bytes of a message; only `hello`, which carries the command line, may be longer. */
export const CONTROL_MESSAGE_BYTES_MAX = 256 * 1024;
/** Most bytes of `hello`: what systems allow a command line to have, and its environment. */
export const CONTROL_HELLO_BYTES_MAX = 8 * 1024 * 1024;
/** Most bytes of one piece of a stream. */
export const CONTROL_PIECE_BYTES = 64 * 1024;

const MAGIC = 0x47564354; // "GVCT"

/** What the node has to know of who calls. */
export interface Hello {
  /** Of the program, for people: `0.1.0`. */
  readonly program: string;
  readonly args: readonly string[];
  /** What relative paths are relative to; absolute itself. */
  readonly cwd: string;
  /** Environment variables that commands look at. */
  readonly env: Readonly<Record<string, string>>;
  /** The client's process, for `/dev/fd/3` and the like. */
  readonly pid: number;
  readonly isTerminalIn: boolean;
  readonly isTerminalOut: boolean;
  readonly isTerminalErr: boolean;
  /** Width of the terminal; 0 if there is none. */
  readonly columns: number;
}

/** Why a client is not served: it speaks another version, the node is about to stop, it broke the protocol. */
export type RefusalReason = "version" | "stopping" | "violation";

/** All messages. */
export type ControlMessage =
  // from the client
  | { readonly kind: "hello"; readonly version: number; readonly hello: Hello | null }
  | { readonly kind: "input"; readonly bytes: Uint8Array }
  | { readonly kind: "inputEnd" }
  /** What was typed without echo; `null`: the input ended. */
  | { readonly kind: "answer"; readonly text: string | null }
  /** Ctrl-C. */
  | { readonly kind: "cancel" }
  /** Nobody reads the standard output any more. */
  | { readonly kind: "outputClosed" }
  // from the node
  | { readonly kind: "output"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly bytes: Uint8Array }
  /** One piece of standard input is asked for. */
  | { readonly kind: "want" }
  /** A secret is asked for. */
  | { readonly kind: "ask"; readonly message: string }
  | { readonly kind: "exit"; readonly code: number }
  | {
    readonly kind: "refused";
    readonly reason: RefusalReason;
    readonly version: number;
    readonly message: string;
  };

const TAGS = {
  hello: 1,
  input: 2,
  inputEnd: 3,
  answer: 4,
  cancel: 5,
  outputClosed: 6,
  output: 65,
  error: 66,
  want: 67,
  ask: 68,
  exit: 69,
  refused: 70,
} as const satisfies Record<ControlMessage["kind"], number>;

const KINDS = new Map<number, ControlMessage["kind"]>(
  Object.entries(TAGS).map(([kind, tag]) => [tag, kind as ControlMessage["kind"]]),
);
const REASONS: readonly RefusalReason[] = ["version", "stopping", "violation"];

/** The other end sent what is no message. */
export class ControlViolation extends Error {
  override readonly name = "ControlViolation";
}

/** A message as it is sent, its length in front. */
export function encodeControl(message: ControlMessage): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  out.u8(TAGS[message.kind]);
  switch (message.kind) {
    case "hello":
      out.u32(MAGIC);
      out.u16(message.version);
      if (message.hello !== null) writeHello(out, message.hello);
      break;
    case "input":
    case "output":
    case "error":
      out.raw(message.bytes);
      break;
    case "answer":
      out.u8(message.text === null ? 0 : 1);
      if (message.text !== null) out.text(message.text);
      break;
    case "ask":
      out.text(message.message);
      break;
    case "exit":
      out.u8(message.code);
      break;
    case "refused":
      out.u8(REASONS.indexOf(message.reason));
      out.u16(message.version);
      out.text(message.message);
      break;
  }
  return out.framed();
}

/**
 * A message from its bytes, the length left out.
 *
 * @throws ControlViolation for an unknown tag, a field that is cut off or malformed, or bytes that are left over
 */
export function decodeControl(bytes: Uint8Array): ControlMessage {
  const input = new Reader(bytes);
  const tag = input.u8();
  const kind = KINDS.get(tag);
  if (kind === undefined) throw new ControlViolation(`no message has the tag ${tag}`);
  const message = decodeFields(kind, input);
  input.end();
  return message;
}

function decodeFields(kind: ControlMessage["kind"], input: Reader): ControlMessage {
  switch (kind) {
    case "hello": {
      if (input.u32() !== MAGIC) throw new ControlViolation("that is no govault");
      const version = input.u16();
      if (version !== CONTROL_VERSION) {
        input.rest(); // another version's business
        return { kind, version, hello: null };
      }
      return { kind, version, hello: readHello(input) };
    }
    case "input":
    case "output":
    case "error":
      return { kind, bytes: input.rest() };
    case "answer":
      return { kind, text: input.flag() ? input.text() : null };
    case "ask":
      return { kind, message: input.text() };
    case "exit":
      return { kind, code: input.u8() };
    case "refused": {
      const reason = REASONS[input.u8()];
      if (reason === undefined) throw new ControlViolation("a refusal without a reason");
      return { kind, reason, version: input.u16(), message: input.text() };
    }
    default:
      return { kind };
  }
}

function writeHello(out: Writer, hello: Hello): void {
  out.text(hello.program);
  out.u32(hello.pid);
  out.u8(
    (hello.isTerminalIn ? 1 : 0) | (hello.isTerminalOut ? 2 : 0) | (hello.isTerminalErr ? 4 : 0),
  );
  out.u16(Math.min(hello.columns, 0xffff));
  out.text(hello.cwd);
  out.u32(hello.args.length);
  for (const argument of hello.args) out.text(argument);
  const variables = Object.entries(hello.env);
  out.u32(variables.length);
  for (const [name, value] of variables) {
    out.text(name);
    out.text(value);
  }
}

function readHello(input: Reader): Hello {
  const program = input.text();
  const pid = input.u32();
  const terminals = input.u8();
  if (terminals > 7) throw new ControlViolation("an unknown kind of stream");
  const columns = input.u16();
  const cwd = input.text();
  const args: string[] = [];
  for (let left = input.u32(); left > 0; left--) args.push(input.text());
  const env: Record<string, string> = {};
  for (let left = input.u32(); left > 0; left--) {
    const name = input.text();
    if (!/^[A-Z_]{1,64}$/.test(name)) throw new ControlViolation("a variable with an odd name");
    if (Object.hasOwn(env, name)) throw new ControlViolation("a variable that comes twice");
    env[name] = input.text();
  }
  return {
    program,
    args,
    cwd,
    env,
    pid,
    isTerminalIn: (terminals & 1) !== 0,
    isTerminalOut: (terminals & 2) !== 0,
    isTerminalErr: (terminals & 4) !== 0,
    columns,
  };
}

/** Puts fields together behind a place for the length. */
class Writer {
  #bytes = new Uint8Array(256);
  #length = 4;

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1); // first: it may put a larger array in place
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    this.u8(value >>> 8);
    this.u8(value & 0xff);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  framed(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(0, this.#length);
    new DataView(bytes.buffer).setUint32(0, this.#length - 4);
    return bytes;
  }
}

/** Takes fields apart; never reads past the end. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new ControlViolation("a message is cut off");
    return this.#bytes.subarray(this.#at, this.#at += count);
  }

  u8(): number {
    return this.#take(1)[0]!;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw new ControlViolation("neither yes nor no");
    return value === 1;
  }

  text(): string {
    const bytes = this.#take(this.u32());
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new ControlViolation("a text is not UTF-8");
    }
  }

  rest(): Uint8Array {
    return this.#take(this.#bytes.length - this.#at);
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw new ControlViolation("a message has bytes left over");
  }
}

/** A stream of bytes both ways, as `Deno.connect` and `Deno.listen` give it. */
export interface ByteStream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** One end of a control connection: whole messages in, whole messages out, in order. */
export class ControlConnection {
  readonly #stream: ByteStream;
  #buffer = new Uint8Array(CONTROL_PIECE_BYTES + 1024);
  #start = 0;
  #end = 0;
  #writing: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  /** Messages that go with the next one, or by themselves in the next turn. */
  #held: Uint8Array[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Bytes that were given to {@link ControlConnection.send} and not handed over yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * The next message, or `null` at the end. Its bytes are good until the next call.
   *
   * @param bytesMax longest message that is taken
   * @throws ControlViolation, and what the stream throws when it breaks
   */
  async receive(bytesMax = CONTROL_MESSAGE_BYTES_MAX): Promise<ControlMessage | null> {
    if (!await this.#fill(4)) {
      if (this.#end > this.#start) throw new ControlViolation("a message is cut off");
      return null;
    }
    const length = new DataView(this.#buffer.buffer, this.#start, 4).getUint32(0);
    if (length === 0 || length > bytesMax) {
      throw new ControlViolation(`a message of ${length} bytes`);
    }
    if (!await this.#fill(4 + length)) throw new ControlViolation("a message is cut off");
    const bytes = this.#buffer.subarray(this.#start + 4, this.#start + 4 + length);
    this.#start += 4 + length;
    return decodeControl(bytes);
  }

  /** Waits until so many bytes are in the buffer, which grows with what came, not with what was announced. */
  async #fill(count: number): Promise<boolean> {
    while (this.#end - this.#start < count) {
      if (this.#start > 0) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
      if (this.#end === this.#buffer.length) {
        const larger = new Uint8Array(this.#buffer.length * 2);
        larger.set(this.#buffer);
        this.#buffer = larger;
      }
      const read = await this.#stream.read(this.#buffer.subarray(this.#end));
      if (read === null) return false;
      this.#end += read;
    }
    return true;
  }

  /** Sends a message after those before it, though not at once: what is said right after it goes along. */
  sendSoon(message: ControlMessage): void {
    const bytes = encodeControl(message);
    this.#held.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#timer ??= setTimeout(() => {
      this.#send(this.#takeHeld()).catch(() => {/* thrown to whoever sends next */});
    });
  }

  #takeHeld(): Uint8Array[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Sends a message after those before it; returns when it is handed over. @throws what the stream throws */
  send(message: ControlMessage): Promise<void> {
    const bytes = encodeControl(message);
    this.#waitingBytes += bytes.length;
    return this.#send([...this.#takeHeld(), bytes]);
  }

  /** Sends messages in one piece. */
  #send(messages: readonly Uint8Array[]): Promise<void> {
    const bytes = joined(messages);
    const sent = this.#writing.then(async () => {
      try {
        for (let done = 0; done < bytes.length;) {
          done += await this.#stream.write(bytes.subarray(done));
        }
      } finally {
        this.#waitingBytes -= bytes.length;
      }
    });
    this.#writing = sent.catch(() => {/* thrown to whoever sent it */});
    return sent;
  }

  close(): void {
    this.#takeHeld();
    try {
      this.#stream.close();
    } catch {
      // closed already
    }
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
