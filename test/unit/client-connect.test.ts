// Starting a head that cannot start: one message that says why and names the log.
// Starting one that can is in test/integration.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectHead, isListening } from "../../client/connect-os.ts";
import { homeOf } from "../../client/home-os.ts";
import { isSkyError } from "../../model/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "sky-connect-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const never = new AbortController().signal;

test("nobody listens in an empty home, nor behind what is no socket", async () => {
  const home = homeOf(join(folder, "nothing"));
  assert.equal(await isListening(home), false);
});

test("a head that a wrong setting keeps from starting says which one", async () => {
  const home = homeOf(folder);
  writeFileSync(home.config, "locall: 3\n");
  await assert.rejects(connectHead({ home }, never), (error: unknown) => {
    assert.ok(isSkyError(error, "head/start-failed"));
    assert.match(error.message, /locall: there is no such field/);
    assert.ok(error.message.includes(home.headLog), error.message);
    return true;
  });
});

test("a home that cannot be a folder is told", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await assert.rejects(connectHead({ home: homeOf(file) }, never), (error: unknown) => {
    return isSkyError(error, "head/start-failed") && error.message.includes(file);
  });
});
