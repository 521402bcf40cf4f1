/**
 * One stage on one thread, a number of bytes long. Each stage is done the fastest way that this runtime has, with pieces
 * as long as chunks or small files are.
 */

import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { reuseLargeBuffers } from "../../src/base/mod.ts";
import { Chunker } from "../../src/content/mod.ts";
import { nativeZstd, wasmZstd } from "../../src/content/zstd.ts";
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
  /** How, where a runtime has two ways; on this thread if not given. */
  way?: Way;
}

/** At once on the thread that asks, or on threads of the runtime's own. */
export type Way = "here" | "beside";

/** What is measured by itself. */
export type StageName =
  | "read"
  | "list files"
  | "read files"
  | "cut"
  | "HMAC"
  | "zstd"
  | "unzstd"
  | "seal"
  | "open"
  | "SHA-256"
  | "append"
  | "write files"
  | "look up"
  | "enter rows"
  | "sync";

type Work = () => void | Promise<void>;

/** Makes what a stage needs, and gives the stage itself. */
async function prepare({ stage, bytes, piece, folder, way = "here" }: StageTask): Promise<Work> {
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
    case "list files": {
      for (let i = 0; i < pieces; i++) {
        const parent = path(Math.floor(i / FOLDER_FILES));
        if (i % FOLDER_FILES === 0) Deno.mkdirSync(parent);
        Deno.writeFileSync(`${parent}/${i}`, noise.subarray(0, 1));
      }
      return () => {
        for (const { name: parent } of Deno.readDirSync(folder)) {
          for (const { name } of Deno.readDirSync(path(parent))) {
            Deno.lstatSync(`${folder}/${parent}/${name}`);
          }
        }
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
      return await hashing(stage, { noise, pieces, way });
    case "zstd":
    case "unzstd": {
      const zstd = nativeZstd() ?? await wasmZstd();
      const [text] = textPieces(piece, 9);
      const frame = zstd.compress(text!);
      return () => {
        for (let i = 0; i < pieces; i++) {
          if (stage === "zstd") zstd.compress(text!);
          else zstd.decompress(frame, text!.length);
        }
      };
    }
    case "seal":
    case "open":
      return await ciphering(stage, { noise, pieces, way });
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
          {
            using file = Deno.openSync(`${into}/${i}.new`, { createNew: true, write: true });
            file.writeSync(noise);
            file.utimeSync(1, 1);
          }
          Deno.renameSync(`${into}/${i}.new`, `${into}/${i}`);
        }
      };
    }
    case "look up":
    case "enter rows":
      return rows(stage, { pieces, path });
  }
}

/** Files to a folder, as in the bench's data. */
const FOLDER_FILES = 100;

/**
 * The least that an index does for a file: an object that is found by its address and by its id, and the key's latest version;
 * all in one transaction. What goes to the disk counts elsewhere.
 */
function rows(
  stage: "look up" | "enter rows",
  { pieces, path }: { pieces: number; path: (name: string) => string },
): Work {
  const noise = new Noise(10);
  const names = Array.from({ length: 3 * pieces }, () => noise.bytes(32));
  const open = (name: string) => {
    const database = new DatabaseSync(path(name));
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
      CREATE TABLE objects (row INTEGER PRIMARY KEY, address BLOB UNIQUE, id BLOB UNIQUE, pack, offset, length);
      CREATE TABLE keys (tag BLOB PRIMARY KEY, object INTEGER) WITHOUT ROWID`);
    return database;
  };
  const enter = (database: DatabaseSync) => {
    const object = database.prepare("INSERT INTO objects VALUES (?, ?, ?, 1, ?, 9216)");
    const key = database.prepare("INSERT INTO keys VALUES (?, ?)");
    database.exec("BEGIN");
    for (let i = 0; i < pieces; i++) {
      object.run(i, names[3 * i]!, names[3 * i + 1]!, i * 9216);
      key.run(names[3 * i + 2]!, i);
    }
    database.exec("COMMIT");
  };
  if (stage === "enter rows") {
    let round = 0;
    return () => {
      const database = open(`round-${round++}.db`);
      enter(database);
      database.close();
    };
  }
  const database = open("index.db");
  enter(database);
  const find = database.prepare(
    "SELECT pack, offset, length FROM keys JOIN objects ON row = object WHERE tag = ?",
  );
  return () => {
    for (let i = 0; i < pieces; i++) find.get(names[3 * i + 2]!);
  };
}

/** Large pieces are ciphered two at a time; of small ones more are on their way, as each is done before the next has come. */
function linesFor(piece: number): number {
  return piece < 64 * 1024 ? 64 : 2;
}

/** Does something so many times, some at once: WebCrypto works on threads of its own, and waiting for one is idle. */
async function inFlight(
  times: number,
  { lines, once }: { lines: number; once: () => Promise<unknown> },
): Promise<void> {
  let left = times;
  const line = async () => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: lines }, line));
}

interface Pieces {
  noise: Uint8Array<ArrayBuffer>;
  pieces: number;
  way: Way;
}

/** An HMAC of a whole piece is a hash with another beginning. */
async function hashing(stage: "HMAC" | "SHA-256", { noise, pieces, way }: Pieces): Promise<Work> {
  if (way === "here") {
    return () => {
      for (let i = 0; i < pieces; i++) createHash("sha256").update(noise).digest();
    };
  }
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(32), hmac, false, ["sign"]);
  const once = stage === "HMAC"
    ? () => crypto.subtle.sign("HMAC", key, noise)
    : () => crypto.subtle.digest("SHA-256", noise);
  return () => inFlight(pieces, { lines: linesFor(noise.length), once });
}

/** AES-256-GCM, each piece with a key of its own, which has to be made known to the cipher first. */
async function ciphering(stage: "seal" | "open", { noise, pieces, way }: Pieces): Promise<Work> {
  const [secret, iv] = [new Uint8Array(32), new Uint8Array(12)];
  const algorithm = { name: "AES-GCM", iv };
  const importKey = () =>
    crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt", "decrypt"]);
  const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, await importKey(), noise));
  if (way === "beside") {
    const once = stage === "seal"
      ? async () => await crypto.subtle.encrypt(algorithm, await importKey(), noise)
      : async () => await crypto.subtle.decrypt(algorithm, await importKey(), sealed);
    return () => inFlight(pieces, { lines: linesFor(noise.length), once });
  }
  const [text, tag] = [sealed.subarray(0, noise.length), sealed.subarray(noise.length)];
  const once = stage === "seal"
    ? () => {
      const cipher = createCipheriv("aes-256-gcm", secret, iv);
      cipher.update(noise);
      cipher.final();
      cipher.getAuthTag();
    }
    : () => {
      const decipher = createDecipheriv("aes-256-gcm", secret, iv);
      decipher.setAuthTag(tag);
      decipher.update(text);
      decipher.final();
    };
  return () => {
    for (let i = 0; i < pieces; i++) once();
  };
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
