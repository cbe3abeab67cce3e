// Hosts of the user's own, as the client sees them: what a task may ask of them, the look at all of
// them, and keys that are new.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedBy } from "../../client/check-hosts-os.ts";
import type { Parsed } from "../../client/cli/flags.ts";
import { withHostKeys } from "../../client/cli/host-keys.ts";
import type { Shell } from "../../client/cli/shell.ts";
import { taskOf } from "../../client/task-file.ts";
import type { TaskFlags } from "../../client/task-flags.ts";
import { validatedTask } from "../../client/task-intake-os.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { problemsText } from "../../model/problem.ts";
import { treeOf } from "../../model/value-tree.ts";
import { createMemorySsh } from "../../runtime/ssh-memory.ts";
import { taskWorld } from "../support/task-files.ts";

function read(resources: object, flags: TaskFlags = {}) {
  return taskOf(treeOf({ run: "true", resources }, "task"), flags, { world: taskWorld });
}

test("a task names ssh and a pool in every way that SkyPilot has", () => {
  const ways: readonly (readonly [object, TaskFlags])[] = [
    [{ cloud: "ssh", region: "lab" }, {}],
    [{ infra: "ssh/lab" }, {}],
    [{ infra: "SSH/lab/" }, {}],
    [{}, { infra: "ssh/lab" }],
    [{}, { cloud: "ssh", region: "lab" }],
    [{ infra: "ssh/other" }, { region: "lab" }],
    [{ infra: "aws/us-east-1" }, { infra: "ssh/lab" }],
    [{ any_of: [{ infra: "aws" }, { infra: "ssh/lab" }] }, {}],
  ];
  for (const [resources, flags] of ways) {
    const reading = read(resources, flags);
    assert.ok(reading.ok && reading.needs.length === 0, JSON.stringify({ resources, flags }));
    assert.deepEqual(reading.task.resources, { cloud: "ssh", region: "lab" });
    assert.equal(reading.choice.cloud, "ssh");
  }
  const anywhere = read({ infra: "ssh", cpus: "4+", accelerators: "A100:2" });
  assert.ok(anywhere.ok);
  assert.deepEqual(anywhere.task.resources, {
    ...{ cloud: "ssh", cpus: { amount: 4, orMore: true } },
    accelerators: { name: "A100", count: 2 },
  });
});

test("what hosts are not made for has no effect, needs a cloud, or makes no sense", () => {
  const vain = read({ cloud: "ssh", disk_size: 100, ports: 8080, labels: { a: "b" } });
  assert.ok(vain.ok && vain.needs.length === 0);
  assert.deepEqual(
    vain.notes.map(({ what }) => what),
    ["disk_size", "ports", "labels"].map((name) => `${name} has no effect on the ssh cloud`),
  );
  const image = read({ cloud: "ssh", image_id: "docker:x" });
  assert.ok(image.ok);
  assert.match(problemsText(image.needs), /^task.resources.image_id: image_id .* needs a cloud/);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ zone: "a" }, /hosts of your own have no zones such as "a"/],
    [{ use_spot: true }, /hosts of your own are no spot machines/],
    [{ instance_type: "m5" }, /hosts of your own have no instance types such as "m5"/],
  ];
  for (const [more, says] of wrong) {
    const reading = read({ cloud: "ssh", ...more });
    assert.ok(!reading.ok);
    assert.match(problemsText(reading.problems), says);
  }
});

test("a place is its own cloud's: of none it needs one, and local has none", () => {
  const open = read({ infra: "*/lab" });
  assert.ok(open.ok && open.needs.length === 1);
  assert.ok(!read({ region: "lab" }).ok);
  assert.ok(!read({ cloud: "local", region: "lab" }).ok);
});

test("a program names a pool over whatever its task says", () => {
  const of = (infra: string, shape: object) =>
    validatedTask({ run: "true", resources: { infra } }, "task", { shape }).resources;
  const lab = { cloud: "ssh", region: "lab" };
  assert.deepEqual(of("ssh/other", { region: "lab" }), lab);
  assert.deepEqual(of("aws/us-east-1", lab), lab);
  assert.deepEqual(of("ssh/lab", { cloud: "local" }), { cloud: "local" });
});

// ---- the look at hosts

const signal = new AbortController().signal;
const pools = [
  { name: "lab", hosts: ["a", "b"].map((name) => ({ name, target: { host: name } })) },
  { name: "big", hosts: ["c", "d"].map((name) => ({ name, target: { host: name } })) },
];
const good = () => ({ stdout: "@skylet-probe 1\n@system Linux\n@cpus 8\n@end 1\n" });

test("all hosts are looked at, and one that cannot be reached keeps no other from it", async () => {
  let open = () => {};
  const slow = new Promise<void>((resolve) => {
    open = resolve;
  });
  const ssh = createMemorySsh({ hosts: { a: good, b: good, c: good, d: good } });
  ssh.faults("a").unreachable = "no route to host";
  ssh.faults("b").denied = "none of our keys opens it";
  ssh.faults("c").slow = slow;
  ssh.faults("d").slow = slow;
  const looking = checkedBy(ssh, {
    pools,
    signal,
    trusts: async () => assert.fail("no key is new"),
  });
  open();
  const checks = await looking;
  assert.deepEqual(
    checks.map(({ pool, host }) => `${pool}/${host}`),
    ["lab/a", "lab/b", "big/c", "big/d"],
  );
  assert.match(checks[0]?.error?.why ?? "", /no route to host/);
  assert.equal(checks[0]?.error?.code, "ssh/unreachable");
  assert.match(checks[1]?.error?.why ?? "", /none of our keys opens it/);
  assert.deepEqual([checks[2]?.report?.cpus, checks[3]?.report?.cpus], [8, 8]);
});

test("keys that are new are asked about once, and trusted only then", async () => {
  for (const answer of [true, false]) {
    const ssh = createMemorySsh({ hosts: { a: good, b: good, c: good, d: good } });
    for (const host of ["a", "d"]) ssh.faults(host).key = "unknown";
    ssh.faults("b").key = "changed";
    const asked: (readonly string[])[] = [];
    const trusts = async (keys: readonly string[]) => {
      asked.push(keys);
      return answer;
    };
    const checks = await checkedBy(ssh, { pools, signal, trusts });
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.length, 2);
    assert.match(asked[0]?.[0] ?? "", /^a shows the key ED25519 SHA256:\S+/);
    const codes = checks.map(({ error }) => error?.code);
    const unknown = answer ? undefined : "ssh/host-key-unknown";
    assert.deepEqual(codes, [unknown, "ssh/host-key-changed", undefined, unknown]);
  }
});

// ---- a launch that meets a key that is new

const twoKeys =
  "a shows the key ED25519 SHA256:AAAA, which\nb shows the key RSA SHA256:BBBB, which";

interface Stage {
  readonly said: string[];
  readonly tried: (readonly string[])[];
  readonly outcome: Promise<string>;
}

function launching(answers: readonly boolean[] | undefined, flags: Parsed["flags"] = {}): Stage {
  const said: string[] = [];
  const tried: (readonly string[])[] = [];
  const left = [...(answers ?? [])];
  const shell = {
    interactive: answers !== undefined,
    say: (line: string) => said.push(line),
    progress: () => {},
    confirm: async (_: string, byDefault?: boolean) => {
      assert.equal(byDefault, false);
      return left.shift() ?? assert.fail("asked too often");
    },
  } as unknown as Shell;
  const attempt = async (trusted: readonly string[]) => {
    tried.push(trusted);
    const all = ["SHA256:AAAA", "SHA256:BBBB"];
    if (trusted.includes("*") || all.every((key) => trusted.includes(key))) return "up";
    throw new SkyError("ssh/host-key-unknown", { problems: twoKeys });
  };
  return { said, tried, outcome: withHostKeys(shell, { flags, args: [] }, attempt) };
}

test("a launch shows keys that are new and asks; a yes is for those keys alone", async () => {
  const yes = launching([true]);
  assert.equal(await yes.outcome, "up");
  assert.deepEqual(yes.tried, [[], ["SHA256:AAAA", "SHA256:BBBB"]]);
  assert.deepEqual(yes.said, [twoKeys]);
  await assert.rejects(launching([false]).outcome, /^Error: Aborted\.$/);
});

test("-y trusts what is new; without a terminal nobody is asked, and nothing trusted", async () => {
  const yes = launching(undefined, { yes: true });
  assert.equal(await yes.outcome, "up");
  assert.deepEqual(yes.tried, [["*"]]);
  const { outcome, tried } = launching(undefined);
  await assert.rejects(outcome, (error) => {
    assert.ok(isSkyError(error, "ssh/host-key-unknown"));
    assert.match(error.message, /SHA256:AAAA[\s\S]*To trust what is new: -y/);
    return true;
  });
  assert.deepEqual(tried, [[]]);
});
