/**
 * The table of subcommands, in the order that the help shows them.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { completions } from "./completions.ts";
import { remove } from "./delete.ts";
import { diff } from "./diff.ts";
import { doctor } from "./doctor.ts";
import { evict } from "./evict.ts";
import { get } from "./get.ts";
import { history } from "./history.ts";
import { init } from "./init.ts";
import { invite } from "./invite.ts";
import { join } from "./join.ts";
import { key } from "./key.ts";
import { ls } from "./ls.ts";
import { padding } from "./padding.ts";
import { peers } from "./peers.ts";
import { prune } from "./prune.ts";
import { put } from "./put.ts";
import { recover } from "./recover.ts";
import { restore } from "./restore.ts";
import { send } from "./send.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { tag } from "./tag.ts";
import { verify } from "./verify.ts";
import { version } from "./version.ts";
import { watch } from "./watch.ts";

/** Every subcommand. */
export const COMMANDS: readonly Command[] = [
  init,
  put,
  get,
  history,
  ls,
  remove,
  restore,
  diff,
  tag,
  prune,
  verify,
  status,
  serve,
  peers,
  invite,
  join,
  evict,
  send,
  watch,
  key,
  padding,
  recover,
  doctor,
  completions,
  version,
];
