// Whatever is killed, jobs run on: the bus, a node's agent, the head. Their exit codes are true, no
// byte of their logs is lost or doubled, and what was acknowledged runs exactly once.
//
// In process isolation the bus is a nats-server and the agent a skylet; embedded, both are inside
// the head, so it is the head that is killed. What must hold is the same.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connectHead } from "../../client/connect-os.ts";
import type { Submission } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import { homeAt } from "../../model/home.ts";
import { isTerminal, type Job } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import {
  isAlive,
  isolation,
  type ProcessSeen,
  place,
  processesOf,
  until,
} from "../support/programs.ts";
import { jobOf, jobsOf, phaseReached, submit } from "./jobs.ts";

const here = place(undefined);
const home = homeAt(here.home);
const cluster = "two";
const head = headOver((signal) => connectHead({ home }, signal));
const soon = (): AbortSignal => AbortSignal.timeout(40_000);

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "8"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(async () => {
  head.close();
  await here.close();
});

/** Kills what `look` finds, and waits until another one has taken its place. */
async function kill(what: string, look: () => readonly ProcessSeen[]): Promise<void> {
  // One that is being started has a helper beside it, and a child looks like its parent at first.
  const alone = (): ProcessSeen | undefined | false => {
    const [first, ...others] = look();
    return others.length === 0 && first;
  };
  const describe = () => JSON.stringify(look());
  const victim = await until(`there is one ${what}`, alone, { describe });
  process.kill(victim.pid, "SIGKILL");
  await until(`${what} is dead`, () => !isAlive(victim.pid));
  // A head comes back with the next command; the rest is started again by the head.
  await here.sky(["status"]);
  await until(`there is another ${what}`, () => look().some(({ pid }) => pid !== victim.pid));
}

const killHead = (): Promise<void> => kill("head", here.heads);

function killBus(): Promise<void> {
  if (isolation === "embedded") return killHead();
  const isServer = ({ command }: ProcessSeen) => /\/nats-server /.test(command);
  return kill("nats-server", () => here.processes().filter(isServer));
}

/** Of a node: its working directory is the node's. */
function killAgent(node: string): Promise<void> {
  if (isolation === "embedded") return killHead();
  const { root } = home.cluster(cluster).node(node);
  const isSkylet = ({ command }: ProcessSeen) => /\/skylet\.(js|ts)( join)?$/.test(command);
  return kill(`skylet of ${node}`, () => processesOf(root).filter(isSkylet));
}

/** Every change of a node's phase, by the histories of the cluster: `head alive`. */
async function nodePhases(): Promise<readonly string[]> {
  const phases: string[] = [];
  const query = { cluster, job: 0, afterSeq: 0, follow: false };
  for await (const { subject, to } of head.watchEvents(query, soon())) {
    if (subject.startsWith("node/") && to !== undefined) phases.push(`${subject.slice(5)} ${to}`);
  }
  return phases;
}

test("the bus dies under a gang: its exit codes are true and no node is called lost", async () => {
  const gates = [`${here.folder}/gate-0`, `${here.folder}/gate-1`];
  const run = `until [ -e ${here.folder}/gate-$SKYPILOT_NODE_RANK ]; do sleep 0.05; done`;
  const text = `num_nodes: 2\nrun: |\n  ${run}\n  exit $((SKYPILOT_NODE_RANK * 5))\n`;
  const id = await submit(here, cluster, here.file("gang.yaml", text));
  const before = await phaseReached(here, { cluster, id }, "RUNNING");
  await killBus();
  writeFileSync(gates[0] ?? "", "");
  await until("rank 0 is known to have ended", async () => {
    const { ranks } = await jobOf(here, cluster, id);
    return ranks[0]?.exitCode === 0;
  });
  await killBus();
  writeFileSync(gates[1] ?? "", "");
  const after = await phaseReached(here, { cluster, id }, "FAILED");
  assert.deepEqual(
    after.ranks.map(({ node, pid, exitCode }) => ({ node, pid, exitCode })),
    before.ranks.map(({ node, pid }, rank) => ({ node, pid, exitCode: rank * 5 })),
  );
  const phases = await nodePhases();
  assert.ok(phases.includes("worker1 alive"), phases.join(", "));
  assert.deepEqual(
    phases.filter((text) => text.endsWith(" lost")),
    [],
  );
});

test("the head dies under a gang: any command brings it back, and the gang runs on", async () => {
  const gate = `${here.folder}/gate-any`;
  const run = `echo begun; until [ -e ${gate} ]; do sleep 0.05; done`;
  const text = `num_nodes: 2\nrun: |\n  ${run}\n`;
  const id = await submit(here, cluster, here.file("any.yaml", text));
  const before = await phaseReached(here, { cluster, id }, "RUNNING");
  const pids = before.ranks.map(({ pid }) => pid ?? 0);
  const commands: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
    [["status"], 0, /^two .* UP/m],
    [["queue", cluster], 0, new RegExp(`^${id} .* RUNNING`, "m")],
    [["logs", cluster, `${id}`, "--no-follow"], 101, /rank=\d, pid=\d+.*\) begun/],
    [["why", cluster, `${id}`], 0, /running/i],
  ];
  for (const [args, code, says] of commands) {
    const [head] = here.heads();
    assert.ok(head !== undefined);
    process.kill(head.pid, "SIGKILL");
    await until("the head is dead", () => !isAlive(head.pid));
    const said = await here.sky(args);
    assert.equal(said.code, code, `sky ${args.join(" ")}: ${said.stdout}${said.stderr}`);
    assert.match(said.stdout, says);
    // A child that a head has just forked looks like the head until it is what it shall be.
    await until("there is one head again", () => here.heads().length === 1);
    assert.deepEqual(pids.filter(isAlive), pids, `the gang runs on after sky ${args[0]}`);
  }
  writeFileSync(gate, "");
  const after = await phaseReached(here, { cluster, id }, "SUCCEEDED");
  assert.deepEqual(
    after.ranks.map(({ pid, exitCode }) => ({ pid, exitCode })),
    pids.map((pid) => ({ pid, exitCode: 0 })),
  );
});

test("the agent dies under a rank that writes: no byte is lost or doubled", async () => {
  const gate = `${here.folder}/gate-lines`;
  const count = `${here.folder}/count`;
  const text = [
    "run: |",
    "  n=0",
    `  until [ -e ${gate} ]; do echo "line $n"; n=$((n + 1)); sleep 0.005; done`,
    `  printf $n > ${count}`,
    "  exit 4",
  ];
  const id = await submit(here, cluster, here.file("lines.yaml", `${text.join("\n")}\n`));
  const follower = here.start(["logs", cluster, String(id)]);
  const linesSeen = (): readonly string[] => follower.stdout().match(/line \d+/g) ?? [];
  const more = async (): Promise<void> => {
    const already = linesSeen().length;
    await until("lines arrive", () => linesSeen().length > already + 20, {
      describe: () => follower.stdout().slice(-500) + follower.stderr(),
    });
  };
  await more();
  for (let round = 0; round < 2; round += 1) {
    await killAgent("head");
    await more();
  }
  writeFileSync(gate, "");
  const { code } = await follower.ended;
  assert.equal(code, 100);
  const written = Array.from(
    { length: Number(readFileSync(count, "utf8")) },
    (_, n) => `line ${n}`,
  );
  assert.deepEqual(linesSeen(), written, "what the follower saw");
  const kept = await here.sky(["logs", cluster, String(id), "--no-follow"]);
  assert.deepEqual(kept.stdout.match(/line \d+/g), written, "what the head keeps");
  const { ranks } = await jobOf(here, cluster, id);
  assert.equal(ranks[0]?.exitCode, 4);
});

const plain = {
  ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
} satisfies Partial<Task>;

function submission(key: string, tasks: readonly Task[]): Submission {
  const about = { user: "tester", noSetup: true, command: "test", allNodes: false };
  return { cluster, tasks, idempotencyKey: key, ...about };
}

/** What each rank of a job appended to the file of its own. */
function runsIn(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

test("the head dies after it acknowledged: every job is there, none runs twice", async () => {
  for (let round = 0; round < 3; round += 1) {
    const file = (n: number): string => `${here.folder}/round-${round}-${n}`;
    const tasks = Array.from({ length: 6 }, (_, n): Task => {
      const run = `echo $SKYPILOT_NODE_RANK >> ${file(n)}-$SKYPILOT_NODE_RANK`;
      return { ...plain, name: `once-${round}-${n}`, numNodes: 1 + (n % 2), run };
    });
    const ids = await head.submit(submission(`round ${round}`, tasks), soon());
    await killHead();
    for (const [n, id] of ids.entries()) {
      const job = await ended(id);
      assert.equal(job.name, `once-${round}-${n}`);
      const ran = job.ranks.map(({ rank }) => runsIn(`${file(n)}-${rank}`));
      const once = job.ranks.map(({ rank }) => `${rank}\n`);
      if (job.status === "SUCCEEDED") assert.deepEqual(ran, once, job.name);
      else onlyAPartRan(job, { ran, once });
    }
  }
});

async function ended(id: number): Promise<Job> {
  return until(
    `job ${id} has ended`,
    async () => {
      const job = await head.getJob({ cluster, job: id }, soon());
      return isTerminal(job.status) ? job : undefined;
    },
    { deadlineMs: 40_000 },
  );
}

/** A gang of which only a part had been told to go: it says so, and is not run anew. */
function onlyAPartRan(
  job: Job,
  runs: { readonly ran: readonly string[]; readonly once: readonly string[] },
): void {
  assert.deepEqual([job.numNodes, job.reason?.code], [2, "never-started"], job.name);
  for (const [rank, text] of runs.ran.entries()) assert.ok(text === "" || text === runs.once[rank]);
}

test("a submission that is said again with its key is one job, whatever died between", async () => {
  const file = `${here.folder}/retried`;
  const task: Task = { ...plain, name: "retried", run: `echo ran >> ${file}` };
  const before = (await jobsOf(here, cluster)).length;
  const first = await head.submit(submission("the same", [task]), soon());
  const again = await head.submit(submission("the same", [task]), soon());
  await killHead();
  const afterwards = await head.submit(submission("the same", [task]), soon());
  assert.deepEqual([again, afterwards], [first, first]);
  await phaseReached(here, { cluster, id: first[0] ?? 0 }, "SUCCEEDED");
  assert.equal((await jobsOf(here, cluster)).length, before + 1);
  assert.equal(runsIn(file), "ran\n");
});
