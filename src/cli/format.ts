/**
 * Values as people read them: sizes in IEC units, local times, short ids, aligned tables. Pure.
 *
 * @module
 */

import { quoteKey } from "../base/mod.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Bytes in IEC units: `512 B`, `1.5 KiB`, `6 MiB`, `23 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 would be shown as 1024: go on to the next unit first.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0);
  return `${digits} ${UNITS[unit]}`;
}

/** Milliseconds since 1970 as local `2026-01-31 18:30:05`; without seconds if asked. */
export function formatTime(ms: number, options: { seconds?: boolean } = {}): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const minute = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const second = options.seconds === false ? "" : `:${two(date.getSeconds())}`;
  return `${day} ${minute}${second}`;
}

/** A remaining time: `7s`, `2m05s`, `3h20m`, `5d04h`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d${two(seconds % 86_400 / 3600)}h`;
}

/** `1 version`, `2 versions`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Characters of a piece that {@link quoteKey} is sure to leave whole. */
const QUOTE_PIECE_CHARACTERS = 50;

/** A key, path or tag for people: nothing in it can steer a terminal, and none of it is left out. */
export function formatKey(key: string): string {
  if (key.length <= QUOTE_PIECE_CHARACTERS) return quoteKey(key);
  const pieces = key.match(new RegExp(`.{1,${QUOTE_PIECE_CHARACTERS}}`, "gsu"))!;
  if (pieces.every((piece) => quoteKey(piece) === piece)) return key;
  // A quote mark at the end has every piece quoted; both are taken off again.
  const quoted = pieces.map((piece) => quoteKey(`${piece}"`).replace(/^"|\\""$/g, ""));
  return `"${quoted.join("")}"`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /^[\p{M}\p{Cf}]$/u;

/** Cells of a terminal that a text fills: East Asian wide characters and emoji take two, marks none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (character >= " " && character <= "~") return 1;
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The text if it fits into `width` cells, else its beginning and `…`. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = "";
  let used = 1; // the ellipsis
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    cut += character;
  }
  return width < 1 ? "" : `${cut}…`;
}

/** How a cell may be set off on a terminal. */
export type Style = "bold" | "dim" | "red";

const STYLE_CODES: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31 };

/** One cell of a table. */
export interface Cell {
  text: string;
  style?: Style | undefined;
}

/** One column of a table. */
export interface Column {
  title: string;
  align?: "right";
  /** Cells at least. */
  width?: number;
  /** On a narrow terminal `cut` shortens the texts, `drop` leaves the column out; else it stays whole. */
  narrow?: "cut" | "drop";
}

/** How a table is laid out. */
export interface TableOptions {
  /** Cells that a line may fill; no limit if left out. */
  columns?: number | undefined;
  color: boolean;
  /** Leaves the titles out: for what follows an earlier part of one table. */
  headless?: boolean;
}

const GAP = "  ";
const CUT_WIDTH_MIN = 8;

/**
 * Lines of a table, each ended by a newline. On a narrow terminal columns are cut, then dropped, the rightmost
 * first; one that may be neither, such as an id, is never broken.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: TableOptions,
): string {
  // Row by row: of hundreds of thousands the widths would be more arguments than `Math.max` can take.
  const widths = columns.map((column, i) =>
    rows.reduce(
      (width, row) => Math.max(width, displayWidth(row[i]!.text)),
      Math.max(column.width ?? 0, displayWidth(column.title)),
    )
  );
  const shown = fitColumns(columns, widths, options.columns ?? Infinity);
  const lineOf = (cells: readonly Cell[]) =>
    shown.map(({ index, width }) => {
      const cell = cells[index]!;
      const text = cutToWidth(cell.text, width);
      const padding = " ".repeat(width - displayWidth(text));
      const painted = options.color ? paint(text, cell.style) : text;
      return columns[index]!.align === "right" ? padding + painted : painted + padding;
    }).join(GAP).trimEnd() + "\n";
  const head = options.headless === true ? "" : lineOf(
    columns.map((column) => ({ text: column.title, style: "dim" })),
  );
  return head + rows.map(lineOf).join("");
}

/** Which columns are shown, and how wide. */
function fitColumns(
  columns: readonly Column[],
  widths: readonly number[],
  limit: number,
): { index: number; width: number }[] {
  const shown = widths.map((width, index) => ({ index, width }));
  const excess = () =>
    shown.reduce((sum, column) => sum + column.width + GAP.length, -GAP.length) - limit;
  for (const column of shown) {
    if (columns[column.index]!.narrow === "cut") {
      column.width = Math.max(
        Math.min(column.width, CUT_WIDTH_MIN),
        column.width - Math.max(0, excess()),
      );
    }
  }
  for (let i = shown.length - 1; i >= 0 && excess() > 0; i--) {
    if (columns[shown[i]!.index]!.narrow === "drop") shown.splice(i, 1);
  }
  return shown;
}

function paint(text: string, style: Style | undefined): string {
  return style === undefined || text === "" ? text : `\x1b[${STYLE_CODES[style]}m${text}\x1b[0m`;
}
