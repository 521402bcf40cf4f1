/**
 * One stage on one thread, a number of bytes long. Each stage is done the fastest way that this runtime has, with pieces
 * as long as chunks or small files are.
 */

import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { reuseLargeBuffers } from "../../src/base/mod.ts";
import { Chunker } from "../../src/content/mod.ts";
import { Noise, textPieces } from "./data.ts";

/** What a thread is asked for. */
export interface StageTask {
  stage: StageName;
  /** Bytes to work through. */
  bytes: number;
  /** Length of a piece. */
  piece: number;
  /** A folder of its own. */
  folder: string;
}

/** What is measured by itself. */
export type StageName =
  | "read"
  | "read files"
  | "cut"
  | "HMAC"
  | "zstd"
  | "seal"
  | "open"
  | "SHA-256"
  | "append"
  | "write files"
  | "sync";

type Work = () => void | Promise<void>;

/** Makes what a stage needs, and gives the stage itself. */
async function prepare({ stage, bytes, piece, folder }: StageTask): Promise<Work> {
  const noise = new Noise(7).bytes(piece);
  const pieces = Math.ceil(bytes / piece);
  const path = (name: string | number) => `${folder}/${name}`;
  switch (stage) {
    case "read": {
      const file = Deno.openSync(path("data"), { create: true, write: true, read: true });
      for (let i = 0; i < pieces; i++) file.writeSync(noise);
      const buffer = new Uint8Array(piece);
      return () => {
        file.seekSync(0, Deno.SeekMode.Start);
        while (file.readSync(buffer) !== null);
      };
    }
    case "read files": {
      for (let i = 0; i < pieces; i++) Deno.writeFileSync(path(i), noise);
      const buffer = new Uint8Array(piece + 1);
      return () => {
        for (let i = 0; i < pieces; i++) {
          using file = Deno.openSync(path(i));
          file.readSync(buffer);
        }
      };
    }
    case "cut": {
      const chunker = new Chunker(new Uint8Array(32));
      const long = new Noise(8).bytes(8 * 1024 * 1024);
      return () => {
        for (let done = 0; done < bytes; done += long.length) {
          for (let at = 0; at < long.length;) at += chunker.cut(long, at, long.length);
        }
      };
    }
    case "HMAC":
    case "SHA-256":
      return await hashing(stage, noise, pieces);
    case "zstd": {
      const [text] = textPieces(piece, 9);
      return () => {
        for (let i = 0; i < pieces; i++) zstdCompressSync(text!);
      };
    }
    case "seal":
    case "open": {
      const key = await crypto.subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, [
        "encrypt",
        "decrypt",
      ]);
      const algorithm = { name: "AES-GCM", iv: new Uint8Array(12) };
      const sealed = await crypto.subtle.encrypt(algorithm, key, noise);
      return () =>
        inFlight(
          pieces,
          stage === "seal"
            ? () => crypto.subtle.encrypt(algorithm, key, noise)
            : () => crypto.subtle.decrypt(algorithm, key, sealed),
        );
    }
    case "append":
    case "sync":
      return () => {
        using file = Deno.openSync(path("new"), { create: true, write: true, truncate: true });
        for (let i = 0; i < pieces; i++) file.writeSync(noise);
        if (stage === "sync") file.syncDataSync();
      };
    case "write files": {
      let round = 0;
      return () => {
        const into = path(`round-${round++}`);
        Deno.mkdirSync(into);
        for (let i = 0; i < pieces; i++) {
          using file = Deno.openSync(`${into}/${i}`, { createNew: true, write: true });
          file.writeSync(noise);
        }
      };
    }
  }
}

/** Does something so many times, two at once: WebCrypto works on threads of its own, and waiting for one is idle. */
async function inFlight(times: number, once: () => Promise<unknown>): Promise<void> {
  let left = times;
  const line = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all([line(), line()]);
}

/** The faster of the two ways to hash; an HMAC of a whole piece is a hash with another beginning. */
async function hashing(stage: "HMAC" | "SHA-256", noise: Uint8Array<ArrayBuffer>, pieces: number) {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(32), hmac, false, ["sign"]);
  const subtle = () =>
    inFlight(
      pieces,
      stage === "HMAC"
        ? () => crypto.subtle.sign("HMAC", key, noise)
        : () => crypto.subtle.digest("SHA-256", noise),
    );
  const here = () => {
    for (let i = 0; i < pieces; i++) createHash("sha256").update(noise).digest();
  };
  const seconds = async (work: Work) => {
    const begin = performance.now();
    await work();
    return performance.now() - begin;
  };
  await seconds(here); // compiles it
  return await seconds(here) < await seconds(subtle) ? here : subtle;
}

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<StageTask | "run">) => void) | null;
  postMessage(message: "ready" | { seconds: number } | { error: string }): void;
}

const scope = self as unknown as WorkerScope;
let work: Work = () => {};

scope.onmessage = async ({ data }) => {
  try {
    if (data !== "run") {
      reuseLargeBuffers();
      work = await prepare(data);
      await work(); // compiles it, and fills caches
      scope.postMessage("ready");
      return;
    }
    const begin = performance.now();
    await work();
    scope.postMessage({ seconds: (performance.now() - begin) / 1000 });
  } catch (error) {
    scope.postMessage({ error: String(error) });
  }
};
