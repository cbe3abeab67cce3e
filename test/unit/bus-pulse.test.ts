// When a connection over which nothing comes in is asked, and when it is given up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Pulse } from "../../runtime/bus-pulse.ts";

/** What each look finds; `.` is one before which something came in. */
function looks(of: string): string {
  const pulse = new Pulse();
  const found = [...of].map((sign) => {
    if (sign === ".") pulse.heard();
    if (sign === "r") pulse.reset();
    return pulse.look();
  });
  return found.map((look) => ({ alive: "a", ask: "?", dead: "X" })[look]).join("");
}

test("bus pulse: asked at the first look that finds nothing, given up at the third", () => {
  assert.equal(looks("....."), "aaaaa");
  assert.equal(looks(".   "), "a??X");
  assert.equal(looks(".  .  .  ."), "a??a??a??a");
});

test("bus pulse: given up again soon it waits longer, and as before when all is calm", () => {
  const dead = (count: number): string => `${"?".repeat(count - 1)}X`;
  const silence = " ".repeat(12);
  const again = looks(`.   r${silence.slice(6)}r${silence}r${silence}`);
  assert.equal(again, `a${dead(3)}a${dead(6)}a${dead(12)}a${dead(12)}`);
  const calm = looks(`.   r${".".repeat(40)}   `);
  assert.ok(calm.endsWith(`a${dead(3)}`), calm);
});
