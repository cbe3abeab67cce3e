// Bytes: what a rank writes is what arrives, whatever it writes and however it writes it.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { place } from "../support/programs.ts";
import { jobOf } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "two", "--num-nodes", "2", "--cpus", "4"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

/** Runs a task file to its end and returns the bytes of each rank, by file name. */
async function bytesOf(yaml: string): Promise<ReadonlyMap<string, Buffer>> {
  const done = await here.sky(["exec", "two", here.file("bytes.yaml", yaml)]);
  assert.equal(done.code, 0, done.stdout.slice(-2_000) + done.stderr);
  const { id } = await jobOf(here, "two");
  const { code, stdout, stderr } = await here.sky(["logs", "two", String(id), "--sync-down"]);
  assert.equal(code, 0, stderr);
  const dir = new RegExp(`Job ${id} logs: (.*)`).exec(stdout)?.[1]?.trim();
  assert.ok(dir, stdout);
  return new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));
}

function onlyRank(files: ReadonlyMap<string, Buffer>): Buffer {
  const [first, ...others] = [...files.values()];
  assert.ok(first !== undefined && others.length === 0, [...files.keys()].join(" "));
  return first;
}

test("0xFF bytes, \\r, a 1 MiB line and no final newline arrive as they were", async () => {
  const dir = join(here.folder, "workdir");
  mkdirSync(dir, { recursive: true });
  const line = "x".repeat(1 << 20);
  const parts = [
    "a\r\nb\rc\n",
    Buffer.from([0xff, 0x00, 0xfe, 0x0a]),
    `${line}\n`,
    "no newline at the end",
  ];
  const odd = Buffer.concat(parts.map((part) => Buffer.from(part)));
  writeFileSync(join(dir, "odd.bin"), odd);
  const files = await bytesOf(`workdir: ${dir}\nrun: cat odd.bin\n`);
  assert.ok(onlyRank(files).equals(odd));
});

test("each rank's file holds exactly what that rank wrote", async () => {
  const files = await bytesOf("num_nodes: 2\nrun: 'printf \"rank %s\" $SKYPILOT_NODE_RANK'\n");
  const texts = [...files.values()].map((bytes) => bytes.toString()).sort();
  assert.deepEqual(texts, ["rank 0", "rank 1"]);
});

test("opening the output again truncates nothing", async () => {
  const run = [
    "run: |",
    "  echo one",
    "  echo two | tee /dev/stderr",
    "  echo three > /dev/stdout",
    "  echo four > /proc/self/fd/1",
    "  bash -c 'exec > /dev/stderr; echo five'",
    "  echo six",
  ];
  const text = onlyRank(await bytesOf(`${run.join("\n")}\n`)).toString();
  assert.deepEqual(text.trimEnd().split("\n").sort(), [
    "five",
    "four",
    "one",
    "six",
    "three",
    "two",
    "two",
  ]);
});

test("envs with spaces, quotes, $, newlines and other letters arrive byte for byte", async () => {
  const value = "a b  c'd\"e$HOME `id` \\n ü 日本 \t| & ; # !\nsecond line\n";
  const yaml = `envs:\n  ODD: ${JSON.stringify(value)}\nrun: printf %s "$ODD"\n`;
  assert.equal(onlyRank(await bytesOf(yaml)).toString(), value);
});

test("--env on the command line wins over the file", async () => {
  const file = here.file("env.yaml", "envs:\n  A: file\n  B: file\nrun: echo $A-$B-$C\n");
  const { stdout } = await here.sky(["exec", "two", "--env", "A=line", "--env", "C=x=y", file]);
  assert.match(stdout, /line-file-x=y/);
});

test("the environment is an allow-list, and output is not buffered by Python", async () => {
  const { stdout } = await here.sky(["exec", "two", "echo ${NOT_YOURS-unset} $PYTHONUNBUFFERED"], {
    env: { NOT_YOURS: "leaked" },
  });
  assert.match(stdout, /unset 1/);
});

test("a declared secret reaches the rank and is masked in its log", async () => {
  const yaml = 'secrets:\n  TOKEN: hunter2-hunter2\nrun: |\n  echo "got $TOKEN ${#TOKEN}"\n';
  const text = onlyRank(await bytesOf(yaml)).toString();
  assert.doesNotMatch(text, /hunter2/);
  assert.match(text, /^got .{15} 15\n$/);
});
