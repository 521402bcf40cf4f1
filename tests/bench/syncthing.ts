/** Two Syncthing devices on loopback that share one folder: what a file takes until the other one has it. */

import { join } from "@std/path";
import { syncDisks } from "./measuring.ts";
import { freePort } from "./ports.ts";

/** How long a device may take to start, and a file to arrive. */
const START_MS_MAX = 30_000;
const ARRIVE_MS_MAX = 240_000;

interface Device {
  id: string;
  home: string;
  folder: string;
  gui: number;
  listen: number;
  child: Deno.ChildProcess | null;
}

const API_KEY = "benchmark";

/** Two devices, connected. */
export class SyncthingPair implements AsyncDisposable {
  readonly #devices: [Device, Device];

  private constructor(devices: [Device, Device]) {
    this.#devices = devices;
  }

  /** Starts them; `null` if there is no Syncthing on this machine. */
  static async start(scratch: string): Promise<SyncthingPair | null> {
    try {
      const a = await makeDevice(join(scratch, "syncthing-a"));
      const b = await makeDevice(join(scratch, "syncthing-b"));
      const pair = new SyncthingPair([a, b]);
      for (const [own, other] of [[a, b], [b, a]] as const) {
        await Deno.writeTextFile(join(own.home, "config.xml"), config(own, other));
        own.child = new Deno.Command("syncthing", {
          args: ["serve", `--home=${own.home}`, "--no-browser", "--no-upgrade", "--no-restart"],
          stdout: "null",
          stderr: "null",
        }).spawn();
      }
      await pair.#untilConnected();
      return pair;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  /**
   * Puts a file into the first device's folder, lets the disk come to rest and has it scanned at once; the seconds from there
   * until the second has all of it under its name, which it gets after it was synced.
   */
  async send(path: string, name: string): Promise<number> {
    const [a, b] = this.#devices;
    await Deno.copyFile(path, join(a.folder, name));
    const { size } = await Deno.stat(path);
    const before = await modified(join(b.folder, name));
    await syncDisks();
    const begin = performance.now();
    await this.#ask(a, "POST", `/rest/db/scan?folder=bench&sub=${name}`);
    while (performance.now() - begin < ARRIVE_MS_MAX) {
      const after = await modified(join(b.folder, name));
      if (after !== null && after.size === size && after.inode !== before?.inode) {
        return (performance.now() - begin) / 1000;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error("Syncthing: the file did not arrive");
  }

  async #untilConnected(): Promise<void> {
    const [a, b] = this.#devices;
    const deadline = performance.now() + START_MS_MAX;
    while (performance.now() < deadline) {
      try {
        const { connections } = await this.#ask(a, "GET", "/rest/system/connections") as {
          connections: Record<string, { connected: boolean }>;
        };
        if (connections[b.id]?.connected) return;
      } catch {
        // it does not answer yet
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error("Syncthing: the devices do not connect");
  }

  async #ask(device: Device, method: string, path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${device.gui}${path}`, {
      method,
      headers: { "X-API-Key": API_KEY },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Syncthing: ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#devices) {
      child?.kill("SIGTERM");
      await child?.status;
    }
  }
}

async function modified(path: string): Promise<{ size: number; inode: number | null } | null> {
  try {
    const { size, ino } = await Deno.stat(path);
    return { size, inode: ino };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function makeDevice(root: string): Promise<Device> {
  const [home, folder] = [join(root, "home"), join(root, "folder")];
  await Deno.mkdir(join(folder, ".stfolder"), { recursive: true });
  const { stdout, stderr } = await new Deno.Command("syncthing", {
    args: ["generate", `--home=${home}`, "--no-default-folder", "--skip-port-probing"],
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const id = /[A-Z0-9]{7}(-[A-Z0-9]{7}){7}/.exec(text)?.[0];
  if (id === undefined) throw new Error(`Syncthing: no device was made: ${text}`);
  return { id, home, folder, gui: freePort(), listen: freePort(), child: null };
}

/** A configuration that speaks to nobody but the other device. */
function config(own: Device, other: Device): string {
  const device = ({ id, listen }: Device) =>
    `<device id="${id}" name="bench" compression="never"><address>tcp://127.0.0.1:${listen}</address></device>`;
  return `<configuration version="36">
${device(own)}
${device(other)}
<folder id="bench" path="${own.folder}" type="sendreceive" rescanIntervalS="0" fsWatcherEnabled="false">
<device id="${own.id}"></device><device id="${other.id}"></device></folder>
<gui enabled="true" tls="false"><address>127.0.0.1:${own.gui}</address><apikey>${API_KEY}</apikey></gui>
<options><listenAddress>tcp://127.0.0.1:${own.listen}</listenAddress>
<globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>
<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><startBrowser>false</startBrowser>
<urAccepted>-1</urAccepted><crashReportingEnabled>false</crashReportingEnabled>
<reconnectionIntervalS>1</reconnectionIntervalS><autoUpgradeIntervalH>0</autoUpgradeIntervalH></options>
</configuration>
`;
}
