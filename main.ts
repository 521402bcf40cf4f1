/**
 * The program's entry point.
 *
 * @module
 */

import process from "node:process";
import { main } from "./src/cli/mod.ts";

// Standard error is for what govault has to say; Deno 2.4 would put warnings about its own node:crypto there.
Object.assign(process, { noDeprecation: true });
Deno.exit(await main(Deno.args));
