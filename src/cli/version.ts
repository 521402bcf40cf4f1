/**
 * The program's own version.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };

/** `0.1.0` */
export const VERSION: string = manifest.version;

/** The line that `govault version` prints. */
export function versionText(): string {
  return `govault ${VERSION}\n`;
}
