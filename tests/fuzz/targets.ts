/** Every decoder that is tried by {@link "./harness.ts"}. */

import type { Bytes } from "../../src/base/mod.ts";
import { CONTENT_TARGETS } from "./content_targets.ts";
import { CONTROL_TARGETS } from "./control_targets.ts";
import type { Target } from "./harness.ts";
import { LOG_TARGETS } from "./log_targets.ts";
import { NET_TARGETS } from "./net_targets.ts";
import { PEER_TARGETS, TOKEN_BYTES_TARGET, TOKEN_TARGET } from "./peer_targets.ts";
import { STORE_TARGETS } from "./store_targets.ts";
import { TEXT_TARGETS } from "./text_targets.ts";

/** Those of bytes. */
export const BYTES_TARGETS: readonly Target<Bytes>[] = [
  ...LOG_TARGETS,
  ...CONTENT_TARGETS,
  ...STORE_TARGETS,
  ...NET_TARGETS,
  ...PEER_TARGETS,
  TOKEN_BYTES_TARGET,
  ...CONTROL_TARGETS,
];

/** Those of text. */
export const ALL_TEXT_TARGETS: readonly Target<string>[] = [...TEXT_TARGETS, TOKEN_TARGET];
