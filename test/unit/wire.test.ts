// Two peers speak the older of their newest versions, or refuse each other with a reason that names
// both and says which of them to upgrade.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agreeOnWire,
  sharedCapabilities,
  wireCapabilities,
  wireVersion,
  wireVersionOldest,
} from "../../model/wire.ts";

const names = { us: "this head", them: "worker1" };
const capabilities: readonly string[] = [];

function refusal(peer: { readonly version: number; readonly oldest?: number }): string {
  const agreement = agreeOnWire({ ...peer, capabilities }, names);
  return agreement.agreed ? assert.fail("they agree") : agreement.why;
}

test("wire: a newer peer is spoken to in our version", () => {
  const peer = { version: wireVersion + 5, capabilities: ["from-the-future"] };
  for (const oldest of [{}, { oldest: 0 }, { oldest: wireVersion }]) {
    const agreement = agreeOnWire({ ...peer, ...oldest }, names);
    assert.deepEqual(agreement, { agreed: true, version: wireVersion, capabilities: [] });
  }
});

test("wire: a peer that is too old, or says nonsense, is refused with both versions", () => {
  for (const version of [wireVersionOldest - 1, -1, 0.5, Number.NaN]) {
    const said = `worker1 speaks wire version ${version}, this head ${wireVersion}`;
    assert.equal(refusal({ version }), `${said}: upgrade worker1`);
  }
});

test("wire: a peer that understands nothing as old as we are says that we are to upgrade", () => {
  const version = wireVersion + 3;
  assert.equal(
    refusal({ version, oldest: wireVersion + 1 }),
    `worker1 speaks wire version ${wireVersion + 1} to ${version}, this head ${wireVersion}: ` +
      "upgrade this head",
  );
});

test("wire: of capabilities both have, each counts once, in our order", () => {
  const said = ["from-the-future", ...wireCapabilities, ...wireCapabilities].reverse();
  assert.deepEqual(sharedCapabilities(said), wireCapabilities);
});
