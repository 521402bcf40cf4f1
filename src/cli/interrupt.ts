/**
 * Signals that ask the program to stop. The first one aborts the work, which then cleans up; a second one ends
 * the process at once.
 *
 * @module
 */

import { EXIT_CODES } from "../base/errors.ts";

const STOP_SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Listens until `stop` is called; `signal` fires with an `AbortError`. */
export function listenForInterrupts(): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) Deno.exit(EXIT_CODES.interrupted);
    controller.abort(new DOMException("interrupted", "AbortError"));
  };
  for (const name of STOP_SIGNALS) Deno.addSignalListener(name, onSignal);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of STOP_SIGNALS) Deno.removeSignalListener(name, onSignal);
    },
  };
}
