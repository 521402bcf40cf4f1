/**
 * Messages to another thread, several in one letter: a message of its own for each small chunk would cost more than
 * the work it asks for.
 *
 * @module
 */

import type { Bytes } from "../base/mod.ts";

/** From this many bytes on a letter goes at once. */
const LETTER_BYTES = 64 * 1024;

/** Gathers messages until the end of the turn, or until they are worth a letter. */
export class Outbox<Message> {
  readonly #send: (messages: Message[], handedOver: ArrayBuffer[]) => void;
  #messages: Message[] = [];
  #handedOver: ArrayBuffer[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(send: (messages: Message[], handedOver: ArrayBuffer[]) => void) {
    this.#send = send;
  }

  /** Takes a message along, and with it the buffer of `bytes`, which can't be used here any more. */
  add(message: Message, bytes: Bytes | null): void {
    this.#messages.push(message);
    if (bytes !== null) {
      this.#handedOver.push(bytes.buffer);
      this.#bytes += bytes.length;
    }
    if (this.#bytes >= LETTER_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), 0);
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#messages.length === 0) return;
    const [messages, handedOver] = [this.#messages, this.#handedOver];
    this.#messages = [];
    this.#handedOver = [];
    this.#bytes = 0;
    this.#send(messages, handedOver);
  }
}
