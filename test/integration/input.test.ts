// Bad input: one clear message with its place and what would be right, exit 2, nothing started.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { place } from "../support/programs.ts";
import { jobsOf } from "./jobs.ts";

const here = place(undefined);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", "demo"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

const files = [
  {
    name: "an unknown field",
    text: "run: hostname\nnumnodes: 2\n",
    says: [/:2:1/, /numnodes/, /num_nodes/],
  },
  { name: "a wrong type", text: "run: [1, 2]\n", says: [/:1:6/, /run/, /string/] },
  { name: "num_nodes: 0", text: "num_nodes: 0\nrun: 'true'\n", says: [/:1:12/, /positive int/] },
  {
    name: "an unknown accelerator count",
    text: "resources:\n  accelerators: V100:many\nrun: 'true'\n",
    says: [/:2:17/, /V100:many/],
  },
  {
    name: "a missing workdir",
    text: "workdir: ./nowhere\nrun: 'true'\n",
    says: [/:1:10/, /nowhere/],
  },
];

for (const { name, text, says } of files) {
  test(`${name} is told with file, line, column and what would be right`, async () => {
    const path = here.file("bad.yaml", text);
    const { code, stdout, stderr } = await here.sky(["launch", "-y", "-c", "fresh", path]);
    assert.equal(code, 2, stdout + stderr);
    assert.match(stderr, /bad\.yaml:\d+:\d+/);
    assert.match(stderr, /\^/);
    for (const pattern of says) assert.match(stderr, pattern);
    assert.doesNotMatch(stderr, /\n +at .*\.(ts|js):/);
    assert.equal(existsSync(`${here.home}/clusters/fresh`), false, "nothing was started");
  });
}

test("all problems of a file are told at once", async () => {
  const path = here.file("bad.yaml", "num_nodes: -1\nresorces: {}\nrun: 5\n");
  const { stderr } = await here.sky(["exec", "demo", path]);
  for (const place of [/:1:12/, /:2:1/, /:3:6/]) assert.match(stderr, place);
});

test("an impossible demand says what the cluster has and takes no job", async () => {
  const before = (await jobsOf(here, "demo")).length;
  const { code, stderr } = await here.sky(["exec", "demo", "--num-nodes", "2", "true"]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /2 nodes asked, the cluster has 1/);
  assert.equal((await jobsOf(here, "demo")).length, before);
});

test("an impossible demand of a file is told with its line", async () => {
  const rows = [
    {
      text: "run: hostname\nnum_nodes: 2\n",
      says: [/:2:12: 2 nodes asked, the cluster has 1/, /\^/],
    },
    { text: "resources:\n  accelerators: V100:3\nrun: hostname\n", says: [/:2:17: V100:3 asked/] },
    { text: "resources:\n  cpus: 1000\nrun: hostname\n", says: [/:2:9: cpus 1000 asked/] },
  ];
  for (const { text, says } of rows) {
    const { code, stderr } = await here.sky(["exec", "demo", here.file("big.yaml", text)]);
    assert.equal(code, 2, stderr);
    for (const pattern of says) assert.match(stderr, pattern);
  }
});

test("an unknown cluster is told with close names", async () => {
  for (const args of [
    ["exec", "dem", "true"],
    ["queue", "dem"],
    ["logs", "dem"],
    ["why", "dem"],
  ]) {
    const { code, stdout, stderr } = await here.sky(args);
    assert.equal(code, 2, `${args[0]}: ${stdout}${stderr}`);
    assert.match(stdout + stderr, /dem[^o]/);
    assert.match(stdout + stderr, /demo/);
  }
});

test("a job id that is not a number is wrong use; a number that is no job is 102", async () => {
  for (const verb of ["logs", "cancel", "why"]) {
    const { code, stderr } = await here.sky([
      verb,
      "demo",
      "first",
      ...(verb === "cancel" ? ["-y"] : []),
    ]);
    assert.equal(code, 2, `${verb}: ${stderr}`);
    assert.match(stderr, /first/);
  }
  assert.equal((await here.sky(["logs", "demo", "4711"])).code, 102);
});

test("a bad cluster name, flag and entry point are wrong use", async () => {
  assert.equal((await here.sky(["launch", "-y", "-c", "Not_A_Name", "true"])).code, 2);
  assert.equal((await here.sky(["launch", "--no-such-flag"])).code, 2);
  assert.equal((await here.sky(["exec", "demo"])).code, 2);
  assert.equal((await here.sky(["nonsense"])).code, 2);
  assert.equal((await here.sky(["cancel", "demo", "1", "--all", "-y"])).code, 2);
});
