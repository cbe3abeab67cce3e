// Starting a head that cannot start: one message that says why and names the log.
// Starting one that can is in test/integration.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connectHead, isListening } from "../../client/connect-os.ts";
import { homeOf } from "../../client/home-os.ts";
import { isSkyError } from "../../model/errors.ts";
import { isAlive, type ProcessSeen, processesOf, until } from "../support/programs.ts";

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

test("a head that is killed while it starts is started again", async () => {
  const home = homeOf(join(folder, "killed"));
  mkdirSync(home.root);
  // The first one waits here for its settings; the next finds no such file, and needs none.
  execFileSync("mkfifo", [home.config]);
  const connecting = connectHead({ home }, AbortSignal.timeout(30_000));
  const isHead = ({ command }: ProcessSeen) => /\/skyhead\.ts/.test(command);
  const [first] = await until("a head starts", () => {
    const heads = processesOf(home.root).filter(isHead);
    return heads.length > 0 && existsSync(home.lock) ? heads : undefined;
  });
  assert.ok(first !== undefined);
  rmSync(home.config);
  process.kill(first.pid, "SIGKILL");
  const client = await connecting;
  const { pid } = await client.debug.version({}, { timeoutMs: 10_000 });
  client.close();
  assert.notEqual(pid, first.pid);
  process.kill(Number(pid), "SIGTERM");
  await until("it has ended", () => !isAlive(Number(pid)));
});

test("a head that takes connections and does not answer is told of", async () => {
  const home = homeOf(join(folder, "silent"));
  mkdirSync(home.head, { recursive: true });
  const server = createServer(() => {});
  await once(server.listen(home.socket), "listening");
  const { promise, resolve } = Promise.withResolvers<string>();
  const client = await connectHead({ home, onWarning: resolve, answerMs: 50 }, never);
  assert.match(await promise, /^the head has not answered for 0\.05 s: see `sky doctor`$/);
  client.close();
  server.close();
});

test("a home that cannot be a folder is told", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await assert.rejects(connectHead({ home: homeOf(file) }, never), (error: unknown) => {
    return isSkyError(error, "head/start-failed") && error.message.includes(file);
  });
});
