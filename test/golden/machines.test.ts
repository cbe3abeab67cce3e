// The printed state tables against the code. After a change of a table: `npm run docs:machines`.
//
// A table in the documents is read in a review instead of the code, so it must be the code's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { machinePages, writtenPages } from "../../scripts/machines.ts";

const wanted = await machinePages();
const written = writtenPages();

test("docs/machines has a page for every state table and no other", () => {
  assert.deepEqual([...written.keys()].sort(), [...wanted.keys()].sort());
});

for (const [name, page] of wanted) {
  test(`docs/machines/${name} shows the table of the code`, () => {
    assert.equal(written.get(name), page);
  });
}
