/**
 * The command line. Everything but {@link main} is its own business.
 *
 * @module
 */

export { main } from "./main.ts";
