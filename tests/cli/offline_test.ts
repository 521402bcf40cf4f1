/** Without `serve` no command needs the network, nor leave to start programs: Deno refuses both here. */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Sandbox } from "./harness.ts";

const MAIN = fromFileUrl(new URL("../../main.ts", import.meta.url));

Deno.test("commands: all that a vault on one machine does is done without network and other programs", async () => {
  await using box = await Sandbox.make();
  await box.write("f", "content");
  await box.write("tree/a", "alpha");
  const lines = [
    ...[["init"], ["put", "f"], ["put", "-r", "tree"], ["history", "f"], ["ls"], ["status"]],
    ...[["get", "f", "-o", "copy"], ["get", "-r", "tree", "-o", "out"], ["diff", "f", "1", "1"]],
    ...[["tag", "then"], ["delete", "f"], ["restore", "f", "--version", "1"], ["verify"]],
    ...[["prune", "--keep-last", "1"], ["peers"], ["doctor"], ["key", "phrase"], ["padding", "on"]],
  ];
  for (const words of lines) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-check", "--cached-only", "--no-prompt"],
        ...["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-ffi"],
        ...["--deny-net", "--deny-run", MAIN, ...words],
      ],
      cwd: box.folder,
      env: { GOVAULT_HOME: box.home },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const { code, stderr } = await child.output();
    assertEquals(
      [code, new TextDecoder().decode(stderr).includes("NotCapable")],
      [0, false],
      words.join(" "),
    );
  }
});
