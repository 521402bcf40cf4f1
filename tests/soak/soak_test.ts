/** The soak, shortened; `deno task soak` runs it for five minutes with 2,000 files. */

import { assertEquals } from "@std/assert";
import { soak } from "./soak.ts";

Deno.test({
  name: "seven nodes, killed and restarted while files are put: all that was acknowledged is there",
  async fn() {
    const report = await soak({ seed: 1, chaosMs: 12_000, files: 100, olderVersionsRead: 10 });
    assertEquals(report.problems, []);
  },
});
