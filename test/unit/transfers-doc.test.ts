// docs/transfers.md against the code: the limits of stores are those of the table, and every flag,
// variable and event that the page names is there.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { longName } from "../../client/cli/flags.ts";
import { syncFlags, transferFlags } from "../../client/cli/transfer-flags.ts";
import { transfers } from "../../client/cli/transfers.ts";
import { solvers } from "../../model/transfer-plan.ts";
import { credentialVariables } from "../../transfer/stores/credential-names.ts";
import { storeLimits } from "../../transfer/stores/limits.ts";

const path = new URL("../../docs/transfers.md", import.meta.url);
const page = readFileSync(path, "utf8");
const head =
  "| store | object | one put | parts | of size | key | metadata |\n|---|---|---|---|---|---|---|\n";

function binary(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let scale = 0;
  let value = bytes;
  while (value >= 1_024 && scale < units.length - 1) {
    value /= 1_024;
    scale += 1;
  }
  // Never more than it is.
  return `${Math.floor(value * 100) / 100} ${units[scale]}`;
}

/** `UPDATE=1` writes them. */
const rows = Object.entries(storeLimits).map(([name, limits]) => {
  const { partBytesMin, partBytesMax, metadataBytesMax } = limits;
  const cells = [
    ...[name === "local" ? "a folder" : name, binary(limits.objectBytesMax)],
    ...[binary(limits.putBytesMax), String(limits.partsMax)],
    `${binary(partBytesMin)} to ${binary(partBytesMax)}`,
    ...[`${limits.keyBytesMax} B`, metadataBytesMax === 0 ? "–" : `${metadataBytesMax} B`],
  ];
  return `| ${cells.join(" | ")} |\n`;
});

test("the limits of stores on the page are those of the code", () => {
  const [before = "", after = ""] = page.split(head);
  if (process.env["UPDATE"] === "1") writeFileSync(path, `${before}${head}${rows.join("")}`);
  else assert.equal(after, rows.join(""), "UPDATE=1 rewrites them");
});

test("every flag, variable and solver that the page names is there", () => {
  const flags = [...transferFlags, ...syncFlags, ...transfers.flags].map(longName);
  const named = [...page.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => flag);
  assert.deepEqual(
    [...new Set(named)].filter((flag) => !flags.includes(flag)),
    [],
  );
  const others = ["CLOUDSDK", "SUCCEEDED"];
  const upper = [...page.matchAll(/`([A-Z][A-Z0-9]+_[A-Z0-9_]+)`/g)].map(([, name = ""]) => name);
  const known = [...credentialVariables, ...others];
  assert.deepEqual(
    upper.filter((name) => !known.includes(name)),
    [],
  );
  assert.ok(upper.length > 20 && named.length > 15);
  for (const solver of solvers) assert.ok(page.includes(`\`${solver}\``), solver);
});
