/** Messages between a command line and the resident node. */

import fc from "fast-check";
import type { Bytes } from "../../src/base/mod.ts";
import {
  type ControlMessage,
  ControlViolation,
  decodeControl,
  encodeControl,
} from "../../src/daemon/control_protocol.ts";
import { blob } from "./changes.ts";
import type { Target } from "./harness.ts";

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const u16 = fc.nat({ max: 0xffff });

export const MESSAGES: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("hello" as const),
    version: fc.constant(1),
    hello: fc.record({
      program: text,
      args: fc.array(text, { maxLength: 4 }),
      cwd: text,
      env: fc.dictionary(fc.constantFrom("HOME", "NO_COLOR", "GOVAULT_HOME"), text, {
        noNullPrototype: true,
      }),
      pid: fc.nat({ max: 0xffff_ffff }),
      isTerminalIn: fc.boolean(),
      isTerminalOut: fc.boolean(),
      isTerminalErr: fc.boolean(),
      columns: u16,
    }),
  }),
  fc.record({
    kind: fc.constantFrom("input" as const, "output" as const, "error" as const),
    bytes: blob(0, 100),
  }),
  fc.record({ kind: fc.constant("answer" as const), text: fc.oneof(fc.constant(null), text) }),
  fc.record({
    kind: fc.constantFrom(
      ...["inputEnd", "cancel", "outputClosed", "want"] as const,
    ),
  }),
  fc.record({ kind: fc.constant("ask" as const), message: text }),
  fc.record({ kind: fc.constant("exit" as const), code: fc.nat({ max: 255 }) }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constantFrom(...["version", "stopping", "violation"] as const),
    version: u16,
    message: text,
  }),
);

const withoutLength = (framed: Bytes): Bytes => framed.slice(4);

export const CONTROL_TARGETS: readonly Target<Bytes>[] = [{
  name: "decodeControl",
  covers: ["decodeControl"],
  valid: MESSAGES.map((each) => withoutLength(encodeControl(each))),
  recode(bytes) {
    const read = decodeControl(bytes);
    // A greeting in another version is not understood, and only answered.
    if (read.kind === "hello" && read.hello === null) return null;
    return withoutLength(encodeControl(read));
  },
  throws: ControlViolation,
  runs: 400,
}];
