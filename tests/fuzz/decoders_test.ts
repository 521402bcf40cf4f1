import { tryBytes, tryText } from "./harness.ts";
import { ALL_TEXT_TARGETS, BYTES_TARGETS } from "./targets.ts";

for (const target of BYTES_TARGETS) {
  Deno.test(`${target.name}: whatever comes is read the one way or refused`, async () => {
    await tryBytes(target);
  });
}

for (const target of ALL_TEXT_TARGETS) {
  Deno.test(`${target.name}: whatever comes is read or refused`, async () => {
    await tryText(target);
  });
}
