// docs/subjects.md says what the code does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { beatSender, beatSubject, headNode, parseSubject, subjectOf } from "../../model/address.ts";
import { busPayloadBytesMax } from "../../runtime/bus.ts";
import { headPermissions, nodePermissions } from "../../runtime/bus-permissions.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/subjects.md"), "utf8");
const cluster = "<cluster>";
const node = "<node>";

/** The cells of the table row that starts with this cell. */
function row(first: string): readonly string[] {
  const line = page.split("\n").find((text) => text.startsWith(`| ${first} |`));
  assert.ok(line !== undefined, `docs/subjects.md has no row ${first}`);
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function patterns(cell: string | undefined): readonly string[] {
  return [...(cell ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}

test("docs/subjects.md: the subjects are those of model/address.ts", () => {
  const to = { cluster, node, kind: "<kind>", id: "<id>" };
  const message = subjectOf("<sender>", to);
  row(`\`${message}\``);
  row(`\`${beatSubject(cluster, node)}\``);
  assert.deepEqual(parseSubject(message), { from: "<sender>", to });
  assert.equal(beatSender(beatSubject(cluster, node)), node);
  assert.ok(page.includes(`\`${headNode}\``));
});

test("docs/subjects.md: the permissions are those that are given", () => {
  const table = { node: nodePermissions(cluster, node), head: headPermissions() };
  for (const [identity, { publish, subscribe }] of Object.entries(table)) {
    const [, publishes, subscribes] = row(identity);
    assert.deepEqual(patterns(publishes), publish, identity);
    assert.deepEqual(patterns(subscribes), subscribe, identity);
  }
});

test("docs/subjects.md: the limit is the bus's", () => {
  assert.ok(page.includes(`${busPayloadBytesMax.toLocaleString("en-US")} bytes`));
});
