/** The run as a picture, for the README: bars of time for each step, shorter is better. */

import type { RunDocument } from "./report.ts";

const WIDTH = 860;
const LABEL_WIDTH = 300;
const BAR_HEIGHT = 14;
const COLOURS: Readonly<Record<string, string>> = {
  govault: "#2563eb",
  restic: "#9ca3af",
  borg: "#d1a054",
  syncthing: "#5eaaa8",
};

/** An SVG of all steps that a program other than ours did too; readable on light and on dark. */
export function picture(run: RunDocument): string {
  const parts: string[] = [];
  let y = 30;
  const text = (x: number, at: number, words: string, more = "") =>
    parts.push(`<text x="${x}" y="${at}" ${more}>${escape(words)}</text>`);
  text(0, 14, `Seconds, shorter is better: ${run.versions.join("; ")}`, 'font-weight="bold"');
  for (const step of run.steps) {
    const programs = Object.entries(step.programs);
    if (programs.length < 2) continue;
    const longest = Math.max(...programs.map(([, { median }]) => median.seconds));
    text(0, y + BAR_HEIGHT - 2, step.title);
    const scale = (WIDTH - LABEL_WIDTH - 150) / longest;
    for (const [name, { median }] of programs) {
      const width = Math.max(1, median.seconds * scale);
      const colour = COLOURS[name] ?? "#888888";
      parts.push(
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${
          BAR_HEIGHT - 2
        }" fill="${colour}"/>`,
      );
      text(LABEL_WIDTH + width + 6, y + BAR_HEIGHT - 3, `${name} ${median.seconds.toFixed(2)} s`);
      y += BAR_HEIGHT;
    }
    const best = run.limit.seconds[step.title];
    if (best !== undefined) {
      const x = LABEL_WIDTH + best * scale;
      const top = y - programs.length * BAR_HEIGHT - 2;
      parts.push(
        `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${top}" y2="${y}" stroke="#dc2626" ` +
          `stroke-width="2"/>`,
      );
    }
    y += 12;
  }
  text(
    0,
    y + 6,
    `Red: the limit derived for this machine (${run.machine}); ${run.time.slice(0, 10)}`,
  );
  const style = "text{font:11px system-ui,sans-serif;fill:#6b7280}";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 14}" role="img">` +
    `<style>${style}</style>${parts.join("")}</svg>\n`;
}

function escape(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
