// Logs of a cluster on a host come here whole, from where they are there, by whatever shell it has.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Ssh, SshStream } from "../../runtime/ssh.ts";
import { fetchLogs } from "../../scheduler/remote/log-fetch-ssh.ts";
import { noise } from "../support/noise.ts";

const hasBusybox = spawnSync("busybox", ["true"]).status === 0;
const shells: readonly (readonly string[])[] = [["sh"], ...(hasBusybox ? [["busybox", "sh"]] : [])];
const { signal } = new AbortController();

/** A host whose login has this shell; what it says is cut after so many bytes. */
function stage(context: TestContext, shell: readonly string[], cutAt = Infinity) {
  const root = mkdtempSync(join(tmpdir(), "sky-fetch-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const [program = "sh", ...words] = shell;
  const ssh: Pick<Ssh, "open"> = {
    open: async (_, { script, args = [] }): Promise<SshStream> => {
      const env = { PATH: process.env["PATH"], HOME: root };
      const child = spawn(program, [...words, "-c", script, "sh", ...args], { env, stdio: "pipe" });
      let stderr = "";
      child.stderr.on("data", (part) => {
        stderr += part;
      });
      const ended = new Promise<{ code: number; stderr: string }>((resolve) => {
        child.once("close", (code) => resolve({ code: code ?? 255, stderr }));
      });
      const stdout = cutAt === Infinity ? child.stdout : cut(child.stdout, cutAt);
      return { stdin: child.stdin, stdout: stdout as never, ended };
    },
  };
  const home = `${root}/host`;
  const into = `${root}/here/logs`;
  mkdirSync(home, { recursive: true });
  const place = { host: "gpu1", target: { host: "gpu1" }, home: "host" };
  return { home, into, fetch: () => fetchLogs({ ssh, place, cluster: "demo", into }, signal) };
}

async function* cutParts(source: AsyncIterable<Buffer>, bytes: number) {
  let left = bytes;
  for await (const part of source) {
    yield part.subarray(0, left);
    left -= part.length;
    if (left <= 0) return;
  }
}

function cut(source: AsyncIterable<Buffer>, bytes: number) {
  return Object.assign(cutParts(source, bytes), { destroy: () => {} });
}

function write(dir: string, logs: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, content] of Object.entries(logs)) writeFileSync(`${dir}/${name}`, content);
}

const logs = {
  "1-1-run-0.log": noise(1, 3_000_000),
  "1-1-setup-0.log": "",
  "2-1-run-0.log": "no end of line",
  "10-1-run-0.log": "total\n3 total\n",
};

for (const shell of shells) {
  test(`with ${shell.join(" ")}: all of them, byte for byte, and nothing else`, async (t) => {
    const { home, into, fetch } = stage(t, shell);
    write(`${home}/clusters/demo/logs`, { ...logs, "index.json": "{}" });
    write(`${home}/clusters/other/logs`, { "9-1-run-0.log": "not ours" });
    write(into, { "0-1-run-0.log": "of a fetch that was cut off" });
    assert.equal(await fetch(), Object.keys(logs).length);
    assert.deepEqual(readdirSync(into).sort(), Object.keys(logs).sort());
    for (const [name, content] of Object.entries(logs)) {
      assert.ok(readFileSync(`${into}/${name}`).equals(Buffer.from(content)), name);
    }
    assert.ok(!existsSync(`${into}.part`));
  });

  test(`with ${shell.join(" ")}: of its archive, and none where nothing is`, async (t) => {
    const { home, into, fetch } = stage(t, shell);
    write(`${home}/logs/demo-two-20261122-021530-042`, { "9-1-run-0.log": "not ours" });
    assert.equal(await fetch(), 0);
    assert.ok(!existsSync(into));
    write(`${home}/logs/demo-20261122-021530-042`, { "1-1-run-0.log": "hello" });
    assert.equal(await fetch(), 1);
    assert.equal(readFileSync(`${into}/1-1-run-0.log`, "utf8"), "hello");
    rmSync(home, { recursive: true });
    assert.equal(await fetch(), 0);
  });
}

test("what is cut off on the way replaces nothing", async (t) => {
  for (const cutAt of [0, 10, 60, 1_000_000]) {
    const { home, into, fetch } = stage(t, ["sh"], cutAt);
    write(`${home}/clusters/demo/logs`, logs);
    write(into, { "0-1-run-0.log": "before" });
    await assert.rejects(fetch(), (error) => isSkyError(error, "host/failed"));
    assert.deepEqual(readdirSync(into), ["0-1-run-0.log"]);
    assert.ok(!existsSync(`${into}.part`));
  }
});

test("many logs cost few processes", async (t) => {
  const { home, into, fetch } = stage(t, ["sh"]);
  const many = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, job) => [`${job}-1-run-0.log`, `log of job ${job}\n`]),
  );
  write(`${home}/clusters/demo/logs`, many);
  assert.equal(await fetch(), 1_000);
  assert.equal(readFileSync(`${into}/999-1-run-0.log`, "utf8"), "log of job 999\n");
});
