// docs/limits.md against the code: every limit that it names is in the file that it names, with the
// value that it says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/limits.md", root), "utf8");
const units: Readonly<Record<string, number>> = { "": 1, MiB: 1024 ** 2, GiB: 1024 ** 3 };

interface Row {
  readonly name: string;
  readonly value: number;
  readonly file: string;
}

function rows(): readonly Row[] {
  const form = /^\| .* \| `(\w+)` = (\d+) ?(MiB|GiB|) ?(?:\(.*?\))? \|.*\]\(\.\.\/(.+?)\) \|$/gm;
  return [...page.matchAll(form)].map(([, name = "", digits, unit = "", file = ""]) => ({
    ...{ name, value: Number(digits) * (units[unit] ?? Number.NaN), file },
  }));
}

/** What a file gives a name: `= 8_192`, `: 1_000`, `= 64 * 1024 * 1024`, `10 * 1024 ** 3`. */
function valuesIn({ name, file }: Row): readonly number[] {
  const text = readFileSync(new URL(file, root), "utf8");
  return [...text.matchAll(new RegExp(`\\b${name}(?:: [\\w.]+)? ?[=:] ([\\d_* ]+)`, "g"))].map(
    ([, found = ""]) => {
      const [base = "", power] = found.split("**");
      const factors = base.split("*").map((part) => Number(part.replaceAll("_", "").trim()));
      const last = factors.at(-1) ?? 1;
      const product = factors.reduce((all, factor) => all * factor, 1);
      return power === undefined ? product : (product / last) * last ** Number(power);
    },
  );
}

test("every row of a table is a limit in the code, with its value", () => {
  const all = rows();
  const lines = page.split("\n").filter((line) => /^\| (?!what|---)/.test(line));
  assert.equal(all.length, lines.length, "every row can be read");
  for (const row of all) {
    assert.ok(valuesIn(row).includes(row.value), `${row.name} of ${row.file}: ${valuesIn(row)}`);
  }
});

test("settings that are limits name what a config.yaml may say", () => {
  const config = readFileSync(new URL("docs/config.md", root), "utf8");
  const named = [...page.matchAll(/\(`(history\.\w+)`\)/g)].map(([, name = ""]) => name);
  assert.ok(named.length >= 5);
  for (const name of named) assert.ok(config.includes(`\`${name}\``), name);
});
