import { assert, assertEquals } from "@std/assert";
import {
  cutToWidth,
  displayWidth,
  formatBytes,
  formatKey,
  formatSpan,
  formatTime,
  plural,
  renderTable,
} from "../../src/cli/format.ts";

Deno.test("formatBytes: IEC units with at most four figures", () => {
  const MiB = 1024 ** 2;
  const cases: [number, string][] = [
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024 - 1, "10 KiB"],
    [1024 * 1024 - 1, "1 MiB"],
    [1023.4 * 1024, "1023 KiB"],
    [6.1 * MiB, "6.1 MiB"],
    [512 * MiB, "512 MiB"],
    [2 ** 50, "1 PiB"],
    [Number.MAX_SAFE_INTEGER, "8 PiB"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
});

Deno.test("formatTime: local, to the second or the minute", () => {
  const time = new Date(2026, 0, 5, 7, 8, 9).getTime();
  assertEquals(formatTime(time), "2026-01-05 07:08:09");
  assertEquals(formatTime(time, { seconds: false }), "2026-01-05 07:08");
  assertEquals(formatTime(Infinity), "?");
});

Deno.test("formatSpan: two units at most", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [-5, "0s"],
    [59_400, "59s"],
    [125_000, "2m05s"],
    [3_600_000, "1h00m"],
    [100 * 3_600_000, "4d04h"],
  ];
  for (const [ms, text] of cases) assertEquals(formatSpan(ms), text);
});

Deno.test("plural: one and many", () => {
  assertEquals([plural(0, "chunk"), plural(1, "chunk"), plural(2, "chunk")], [
    "0 chunks",
    "1 chunk",
    "2 chunks",
  ]);
});

Deno.test("formatKey: long keys are shown whole, and nothing in them steers the terminal", () => {
  const long = "photos/" + "é😀".repeat(200);
  assertEquals(formatKey(long), long);
  assertEquals(formatKey("plain name.txt"), "plain name.txt");
  const evil = "x".repeat(300) + '\x1b[2J"\\\u202e\x9b' + "y".repeat(300);
  const shown = formatKey(evil);
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert(!/[\x00-\x1f\x7f-\x9f\u202e]/.test(shown));
  assertEquals(JSON.parse(shown), evil);
});

Deno.test("displayWidth: wide characters take two cells, marks none", () => {
  assertEquals(displayWidth("abc"), 3);
  assertEquals(displayWidth("漢字"), 4);
  assertEquals(displayWidth("e\u0301"), 1);
  assertEquals(displayWidth("😀"), 2);
});

Deno.test("cutToWidth: fits, and never splits a wide character", () => {
  assertEquals(cutToWidth("abcdef", 6), "abcdef");
  assertEquals(cutToWidth("abcdef", 4), "abc…");
  assertEquals(cutToWidth("漢字漢字", 4), "漢…");
  assertEquals(cutToWidth("abc", 0), "");
});

const COLUMNS = [
  { title: "N", align: "right" },
  { title: "KEY", narrow: "cut" },
  { title: "EXTRA", narrow: "drop" },
] as const;
const ROWS = [
  [{ text: "7" }, { text: "漢.txt" }, { text: "e" }],
  [{ text: "1234" }, { text: "a-long-name.txt" }, { text: "extra" }],
];

Deno.test("renderTable: columns line up, without blanks at the end", () => {
  assertEquals(
    renderTable(COLUMNS, ROWS, { color: false }),
    [
      "   N  KEY              EXTRA",
      "   7  漢.txt           e",
      "1234  a-long-name.txt  extra",
      "",
    ].join("\n"),
  );
});

Deno.test("renderTable: on a narrow terminal cuts, then drops, and keeps the rest whole", () => {
  const linesAt = (columns: number) =>
    renderTable(COLUMNS, ROWS, { columns, color: false }).trimEnd().split("\n");
  assertEquals(linesAt(24)[2], "1234  a-long-nam…  extra");
  assertEquals(linesAt(16)[2], "1234  a-long-…");
  assertEquals(linesAt(3)[2], "1234  a-long-…");
  for (const columns of [28, 24, 20, 16]) {
    assert(linesAt(columns).every((line) => displayWidth(line) <= columns), `${columns} columns`);
  }
});

Deno.test("renderTable: colour changes no widths, and is there only when asked for", () => {
  const rows = [[{ text: "ab", style: "bold" as const }, { text: "c" }]];
  const columns = [{ title: "AAA", align: "right" as const }, { title: "B" }];
  const plain = renderTable(columns, rows, { color: false });
  const colored = renderTable(columns, rows, { color: true });
  assert(!plain.includes("\x1b"));
  assert(colored.includes("\x1b[1mab\x1b[0m"));
  // deno-lint-ignore no-control-regex -- the colours
  assertEquals(colored.replace(/\x1b\[\d+m/g, ""), plain);
});

Deno.test("renderTable: as many rows as there are versions to drop", () => {
  const rows = Array.from({ length: 300_000 }, (_, i) => [{ text: String(i) }]);
  const table = renderTable([{ title: "N", align: "right" }], rows, { color: false });
  assertEquals(table.length, 7 * 300_001);
});

Deno.test("renderTable: a headless part continues a table", () => {
  assertEquals(
    renderTable([{ title: "KEY", width: 5 }, { title: "X" }], [[{ text: "a" }, { text: "b" }]], {
      color: false,
      headless: true,
    }),
    "a      b\n",
  );
});
