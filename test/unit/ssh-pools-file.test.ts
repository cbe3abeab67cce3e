// Pools files: a valid one in any form of YAML comes back as it was meant, one with a single fault
// has that problem at its line and column and no other, and no password is ever shown.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readPools } from "../../clouds/ssh/pools-file.ts";
import { loadPools } from "../../clouds/ssh/pools-file-os.ts";
import { isSkyError } from "../../model/errors.ts";
import { problemsText } from "../../model/problem.ts";
import { fc } from "../support/property.ts";
import { list, map, plain, string, type TaskNode, written } from "../support/task-text.ts";

const world = {
  file: "pools.yaml",
  home: "/users/ann",
  isFile: (path: string) =>
    path.startsWith("/users/ann/.ssh/") ||
    path === "/users/ann/agent.pub" ||
    path.startsWith("/keys/"),
};

const form = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,8}$/).filter((text) => text !== "none");
const address = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,6}(\.[a-z]{2,3})?$/),
  fc.ipV4(),
  fc.constantFrom("::1", "fe80::1%eth0", "2001:db8::17", "gpu_box", "5"),
);
const login = fc.record(
  {
    user: fc.constantFrom("ann", "root", "svc.lab", "bob-2"),
    identity_file: fc.constantFrom("~/.ssh/id_ed25519", "~/agent", "/keys/lab key"),
    port: fc.integer({ min: 1, max: 65_535 }),
  },
  { requiredKeys: [] },
);

type Login = { user?: string; identity_file?: string; port?: number };
interface Host extends Login {
  ip: string;
}
interface WrittenPool {
  readonly name: string;
  readonly defaults: Login;
  readonly hosts: readonly Host[];
}

const validPools: fc.Arbitrary<readonly WrittenPool[]> = fc.uniqueArray(
  fc.record({
    name,
    defaults: login,
    hosts: fc.uniqueArray(
      fc.tuple(address, login).map(([ip, own]): Host => ({ ip, ...own })),
      { minLength: 1, maxLength: 4, selector: ({ ip }) => ip.toLowerCase() },
    ),
  }),
  { minLength: 1, maxLength: 3, selector: (pool) => pool.name },
);

function loginNodes({ user, identity_file, port }: Login): Record<string, TaskNode> {
  return {
    ...(user === undefined ? {} : { user: string(user) }),
    ...(identity_file === undefined ? {} : { identity_file: string(identity_file) }),
    ...(port === undefined ? {} : { port: plain(String(port)) }),
  };
}

function hostNode({ ip, ...own }: Host): TaskNode {
  const isBare = Object.keys(own).length === 0;
  return isBare ? string(ip) : map({ ip: string(ip), ...loginNodes(own) });
}

function poolNode({ defaults, hosts }: WrittenPool): TaskNode {
  return map({ ...loginNodes(defaults), hosts: list(...hosts.map(hostNode)) });
}

function fileNode(pools: readonly WrittenPool[]): TaskNode {
  return map(Object.fromEntries(pools.map((pool) => [pool.name, poolNode(pool)])));
}

function targetOf({ ip, ...own }: Host, defaults: Login) {
  const { user, identity_file, port } = { ...defaults, ...own };
  return {
    host: ip,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    ...(identity_file === undefined
      ? {}
      : { identityFile: identity_file.replace("~", "/users/ann") }),
  };
}

test("a valid file in any form comes back as it was meant", () => {
  fc.assert(
    fc.property(validPools, form, (pools, drawn) => {
      // An object takes names that read as numbers out of their order; no pool here has one.
      const { text } = written(fileNode(pools), drawn);
      const reading = readPools(text, world);
      assert.equal(problemsText(reading.problems), "", text);
      const meant = pools.map(({ name: called, defaults, hosts }) => ({
        name: called,
        hosts: hosts.map((host) => ({ name: host.ip, target: targetOf(host, defaults) })),
      }));
      assert.deepEqual(reading.pools, meant, text);
    }),
    { numRuns: 300 },
  );
});

const marked = (node: TaskNode): TaskNode => ({ ...node, mark: true });

/** What a pool or a host may say wrong, in a mapping of its own. */
const loginFaults: readonly (readonly [key: string, value: TaskNode, says: RegExp, key?: true])[] =
  [
    ["user", plain("7"), /user should be a string, not 7/],
    ["user", string("-oProxyCommand=x"), /user should be the name of a login/],
    ["user", string("a b"), /user should be the name of a login/],
    ["port", plain("0"), /port should be a port, from 1 to 65535, not 0/],
    ["port", plain("65536"), /port should be a port, from 1 to 65535, not 65536/],
    ["port", string("ssh"), /port should be a port/],
    ["identity_file", string("keys/id"), /identity_file should begin with \/ or ~\//],
    ["identity_file", string("~bob/id"), /identity_file should begin with \/ or ~\//],
    ["identity_file", string("~/nothing"), /identity_file: there is no file ~\/nothing/],
    ["password", string("hunter2"), /a password is of no use/, true],
    ["usr", string("ann"), /"usr" is no field of .*Did you mean 'user'\?/, true],
    ["ssh_config", string("x"), /"ssh_config" is no field of .*its fields are/, true],
  ];

const hostFaults: readonly (readonly [node: TaskNode, says: RegExp])[] = [
  [plain("10.1"), /should be an address or a name .*, not 10.1: quote it/],
  [plain("null"), /should be an address or a name .*, not nothing/],
  [string("bob@gpu1"), /a host should not have a user in it/],
  [string("gpu1:2222"), /a host should not have a port in it/],
  [string("[fe80::1]:22"), /a host should not have a port in it/],
  [string("-oProxyCommand=x"), /should be an address or a name/],
  [string("a b"), /should be an address or a name/],
  [string("gpu*"), /should be an address or a name/],
  [string("a:b"), /should be an address or a name/],
  [list(), /should be an address or a name .*, not a list/],
  [map({ user: string("ann") }), /a host needs ip/],
];

const poolFaults: readonly (readonly [node: TaskNode, says: RegExp, isOfKey?: true])[] = [
  [list(string("gpu1")), /should be a mapping: its list belongs under hosts/],
  [plain("null"), /pool "odd" has no hosts: give it a list, hosts/, true],
  [map({ user: string("ann") }), /pool "odd" has no hosts: give it a list, hosts/, true],
  [map({ hosts: marked(list()) }), /pool "odd" has no hosts/],
  [map({ hosts: marked(string("gpu1")) }), /hosts should be a list, not "gpu1"/],
  [string("gpu1"), /pool odd should be a mapping, not "gpu1"/],
];

/** A file of the pools and one odd one more. */
function withPool(pools: readonly WrittenPool[], node: TaskNode, at?: { key: string }): TaskNode {
  const file = fileNode(pools.filter((pool) => pool.name !== "odd"));
  assert.ok(file.kind === "map");
  const odd = { key: at?.key ?? "odd", value: node, ...(at === undefined ? {} : { mark: true }) };
  return { kind: "map", entries: [...file.entries, odd] };
}

function hasMark(node: TaskNode): boolean {
  if (node.mark === true) return true;
  return node.kind === "map" && node.entries.some(({ mark, value }) => mark ?? hasMark(value));
}

function oneFault(make: (pools: readonly WrittenPool[]) => TaskNode, says: RegExp): void {
  fc.assert(
    fc.property(validPools, form, (pools, drawn) => {
      const { text, line, column } = written(make(pools), drawn);
      const { problems } = readPools(text, world);
      assert.equal(problems.length, 1, `${text}\n${problemsText(problems)}`);
      const place = problems[0]?.place;
      assert.ok(place?.kind === "text");
      assert.match(problems[0]?.what ?? "", says);
      assert.equal(`${place.line}:${place.column}`, `${line}:${column}`, text);
      assert.doesNotMatch(problemsText(problems), /hunter2/);
    }),
    { numRuns: 40 },
  );
}

for (const [key, value, says, isOfKey] of loginFaults) {
  const entry = isOfKey ? { key, value, mark: true } : { key, value: marked(value) };
  test(`a pool's fault is found at its place: ${says.source}`, () => {
    const hosts = { key: "hosts", value: list(string("gpu1")) };
    oneFault((pools) => withPool(pools, { kind: "map", entries: [entry, hosts] }), says);
  });
  test(`a host's fault is found at its place: ${says.source}`, () => {
    const ip = { key: "ip", value: string("gpu1") };
    const host: TaskNode = { kind: "map", entries: [ip, entry] };
    oneFault((pools) => withPool(pools, map({ hosts: list(host) })), says);
  });
}

for (const [node, says] of hostFaults) {
  test(`a host that is none is found at its place: ${says.source}`, () => {
    const hosts = list(string("gpu1"), marked(node), string("gpu2"));
    oneFault((pools) => withPool(pools, map({ hosts })), says);
  });
}

for (const [node, says, isOfKey] of poolFaults) {
  test(`a pool that is none is found at its place: ${says.source}`, () => {
    const at = isOfKey ? { key: "odd" } : undefined;
    const value = isOfKey || hasMark(node) ? node : marked(node);
    oneFault((pools) => withPool(pools, value, at), says);
  });
}

for (const key of ["a/b", "-x", "", "a b", "x".repeat(64), "None", "*"]) {
  test(`no pool can be called ${JSON.stringify(key)}`, () => {
    const pool = map({ hosts: list(string("gpu1")) });
    oneFault((pools) => withPool(pools, pool, { key }), /pool('s name should| cannot be called)/);
  });
}

test("a host twice is told with its first line; by other ports it is another host", () => {
  const text = "lab:\n  port: 22\n  hosts:\n    - Gpu1\n    - {ip: gpu1, user: ann}\n";
  const { problems } = readPools(text, world);
  assert.equal(problemsText(problems).split("\n")[0], `${at(5, 12)} ${twice}`);
  const apart = readPools(
    "lab:\n  hosts: [a, {ip: a, port: 23}, {ip: '::1', port: 1}, '::1']",
    world,
  );
  assert.equal(problemsText(apart.problems), "");
  const names = apart.pools[0]?.hosts.map((host) => host.name);
  assert.deepEqual(names, ["a", "a:23", "[::1]:1", "::1"]);
});

const twice = '"gpu1" is in pool lab twice, first on line 4';
const at = (line: number, column: number) => `pools.yaml:${line}:${column}:`;

test("a pool twice is told", () => {
  const { problems } = readPools("a:\n  hosts: [x]\na:\n  hosts: [y]\n", world);
  assert.deepEqual(
    problems.map(({ what }) => what),
    ['"a" is given twice, first on line 1'],
  );
});

test("all problems are told at once, none with a password in it", () => {
  const text = [
    ...["lab:", "  password: hunter2", "  hosts:", "    - {ip: a, password: hunter2, usr: x}"],
    ...["    - {ip: 'b c', pasword: hunter2}", "    - {ip: c, password: *hunter2}", "    - d:d:d"],
  ].join("\n");
  const told = problemsText(readPools(text, world).problems);
  assert.equal(told.match(/^pools\.yaml:/gm)?.length, 7, told);
  assert.doesNotMatch(told, /hunter2/);
  for (const bad of [
    "lab:\n  password: 'hunter2",
    "lab: {password: hunter2, }}",
    "password: !x hunter2",
  ]) {
    assert.doesNotMatch(problemsText(readPools(bad, world).problems), /hunter2/);
  }
});

test("a password without a value is none, as SkyPilot's example has it", () => {
  const { pools, problems } = readPools("lab:\n  password:  # none\n  hosts: [a]\n", world);
  assert.equal(problems.length, 0);
  assert.equal(pools[0]?.hosts.length, 1);
});

test("an empty file has no pools, and two documents are one too many", () => {
  assert.deepEqual(readPools("# nothing yet\n", world), { pools: [], problems: [] });
  const { problems } = readPools("a:\n  hosts: [x]\n---\nb:\n  hosts: [y]\n", world);
  assert.match(problemsText(problems), /^pools\.yaml:4:1: a second document/);
});

test("whatever the text is, reading it gives pools or problems", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
      readPools(text, world);
    }),
    { numRuns: 500 },
  );
});

test("from the disk: no file is no pools; what is wrong is one error with all places", async () => {
  const home = await mkdtemp(join(tmpdir(), "pools-"));
  const file = join(home, "ssh_node_pools.yaml");
  try {
    assert.deepEqual(await loadPools(home), []);
    await writeFile(file, "lab:\n  hosts: [gpu1]\n");
    assert.deepEqual(await loadPools(home), [
      { name: "lab", hosts: [{ name: "gpu1", target: { host: "gpu1" } }] },
    ]);
    await writeFile(file, `lab:\n  identity_file: ${home}\n  hosts: [1]\n`);
    await assert.rejects(loadPools(home), (error) => {
      assert.ok(isSkyError(error, "pools/invalid"));
      assert.match(error.message, new RegExp(`^${file}:2:18: identity_file: there is no file`));
      assert.match(error.message, new RegExp(`\n${file}:3:11: a host should be an address`));
      return true;
    });
    await writeFile(file, Buffer.from([0xff, 0xfe]));
    await assert.rejects(loadPools(home), { code: "pools/invalid", message: /not UTF-8/ });
    await rm(file);
    await mkdir(file);
    await assert.rejects(loadPools(home), { code: "pools/invalid", message: /cannot be read/ });
  } finally {
    await rm(home, { recursive: true });
  }
});
