// Two peers speak the older of their newest versions, or refuse each other with a reason.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agreeOnWire, wireVersion, wireVersionOldest } from "../../model/wire.ts";

test("wire: a newer peer is spoken to in our version", () => {
  const agreement = agreeOnWire({ version: wireVersion + 5, capabilities: ["from-the-future"] });
  assert.deepEqual(agreement, { agreed: true, version: wireVersion, capabilities: [] });
});

test("wire: a peer that is too old, or says nonsense, is refused with both versions", () => {
  for (const version of [wireVersionOldest - 1, -1, 0.5, Number.NaN]) {
    const agreement = agreeOnWire({ version, capabilities: [] });
    assert.ok(!agreement.agreed);
    assert.match(agreement.why, new RegExp(`version ${version}, we speak ${wireVersion}`));
  }
});
