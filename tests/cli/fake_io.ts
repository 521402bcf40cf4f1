/** A user made of arrays: what was said to them can be read, what they type is given. */

import type { Io } from "../../src/cli/io.ts";

export interface FakeIo extends Io {
  /** Everything written to standard output and to standard error so far. */
  readonly said: { out: string; err: string };
}

export function fakeIo(
  options: Partial<Io> & { environment?: Record<string, string>; typed?: (string | null)[] } = {},
): FakeIo {
  const { environment = {}, typed = [], ...overrides } = options;
  const said = { out: "", err: "" };
  return {
    said,
    out(text) {
      said.out += text;
      return Promise.resolve();
    },
    flush: () => Promise.resolve(),
    async outBytes(stream) {
      said.out += await new Response(stream).text();
    },
    err(text) {
      said.err += text;
    },
    input: () => new Blob([]).stream(),
    secret(message) {
      said.err += message;
      return Promise.resolve(typed.shift() ?? null);
    },
    env: (name) => environment[name],
    path: (typed) => typed,
    isTerminalIn: false,
    isTerminalOut: false,
    isTerminalErr: false,
    columns: undefined,
    color: false,
    ...overrides,
  };
}
