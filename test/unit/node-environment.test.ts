// What a node's program has of the environment of the head that starts it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentOfNode } from "../../bin/skyhead/skylet-process.ts";
import { credentialVariables } from "../../transfer/stores/credential-names.ts";

test("a node has the head's environment without what opens stores", () => {
  const secrets = Object.fromEntries(credentialVariables.map((name) => [name, "secret"]));
  assert.ok(credentialVariables.includes("AWS_SECRET_ACCESS_KEY"));
  assert.deepEqual(environmentOfNode({ PATH: "/bin", HOME: "/root", ...secrets }), {
    ...{ PATH: "/bin", HOME: "/root" },
  });
});
