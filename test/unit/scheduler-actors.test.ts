// The scheduler and liveness as actors on a real system: journal, bus and codec between them and
// an agent that only listens.

import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "node:test";
import type { Ref } from "../../model/address.ts";
import { beatSubject, headNode, inboxPattern, subjectOf } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { decodeEnvelope, encodeEnvelope } from "../../proto/envelope.ts";
import type { WireMessage } from "../../proto/messages.ts";
import type { Bus } from "../../runtime/bus.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions, nodePermissions } from "../../runtime/bus-permissions.ts";
import type { MemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { boardInMemory } from "../../scheduler/board-memory.ts";
import { livenessActor } from "../../scheduler/liveness-actor.ts";
import type { SchedulerMessage, SubmitReply } from "../../scheduler/messages.ts";
import { schedulerActor } from "../../scheduler/scheduler-actor.ts";
import { schedulerAddress } from "../../scheduler/turn.ts";
import type { SecretVault } from "../../scheduler/vault.ts";
import { vaultIn, vaultInMemory } from "../../scheduler/vault.ts";
import { capacity, cluster, nodesOf, task } from "../sim/scheduler-world.ts";
import { createManualStore, settle } from "./runtime-stage.ts";

const nodes = nodesOf([capacity(1), capacity(1)]);
const scheduler: Ref<SchedulerMessage> = schedulerAddress(cluster);

interface Theatre {
  readonly store: ReturnType<typeof createManualStore>;
  readonly clock: MemoryClock;
  readonly board: ReturnType<typeof boardInMemory>;
  readonly heard: WireMessage[];
  readonly node: Bus;
  submit(one: Task): Promise<SubmitReply>;
  beat(): Promise<void>;
  passSeconds(count: number): Promise<void>;
}

async function open(vault: SecretVault = vaultInMemory()): Promise<Theatre> {
  const clock = createMemoryClock();
  const hub = createBusHub();
  const store = createManualStore(createMemoryStore());
  const bus = hub.connect(headNode, headPermissions(cluster));
  const log = silentLog;
  const system = createSystem({
    ...{ cluster, node: headNode, incarnation: 1, clock, bus, store, log },
  });
  const board = boardInMemory();
  const ports = {
    announce: board.apply,
    requestShutdown: () => {},
    vault,
    log,
    onRefused: () => {},
  };
  system.spawn(schedulerActor(ports), "main", { cluster, nodes, records: [], secrets: new Map() });
  system.spawn(livenessActor({ bus, log }), "main", { cluster, expected: [] });
  const node = hub.connect("head", nodePermissions(cluster, "head"));
  const heard: WireMessage[] = [];
  node.subscribe(inboxPattern(cluster, "head"), ({ payload }) => {
    heard.push(decodeEnvelope(payload).message);
  });
  await settle();
  const beat = async (): Promise<void> => {
    const message = { kind: "beat", seq: 1, bootId: "b", headSeq: 0 } as const;
    node.publish(beatSubject(cluster, "head"), encodeEnvelope(message, 1));
    await settle();
    store.finish(store.waiting().length);
    await settle();
  };
  return {
    ...{ store, clock, board, heard, node, beat },
    submit: (one) =>
      system.ask<SchedulerMessage, SubmitReply>(scheduler, (replyTo) => submission(one, replyTo), {
        timeoutMs: 60_000,
      }),
    passSeconds: async (count) => {
      for (let second = 0; second < count; second += 1) {
        await clock.pass(1_000, settle);
        store.finish(store.waiting().length);
        await settle();
      }
    },
  };
}

function submission(one: Task, replyTo: Ref<SubmitReply>): SchedulerMessage {
  return {
    ...{ kind: "submit", tasks: [one], workdirs: [undefined], idempotencyKey: "", user: "ann" },
    ...{ noSetup: false, replyTo },
  };
}

test("nothing is told, shown or answered before it is on disk", async () => {
  const theatre = await open();
  await theatre.beat();
  assert.equal(theatre.board.nodePhase("head"), "alive");
  let answer: SubmitReply | undefined;
  const asked = theatre.submit(task()).then((reply) => {
    answer = reply;
  });
  await settle();
  const prepared = (): boolean => theatre.heard.some(({ kind }) => kind === "prepare");
  assert.equal(theatre.store.waiting().length, 1, "the submission and its placement: one commit");
  assert.deepEqual([prepared(), answer, theatre.board.jobs()], [false, undefined, []]);
  theatre.store.finish(1);
  await asked;
  assert.deepEqual(answer, { kind: "submitted", jobs: [1] });
  assert.equal(theatre.board.job(1)?.phase, "preparing");
  await settle();
  assert.ok(prepared());
});

test("a report counts for the node that the bus says it is from", async () => {
  const theatre = await open();
  await theatre.beat();
  const asked = theatre.submit(task());
  await settle();
  theatre.store.finish(1);
  await asked;
  const key = { job: 1, attempt: 1, phase: "run", index: 0 } as const;
  const started = { kind: "rank-started", key, pid: 42, startedAt: 1 } as const;
  theatre.node.publish(subjectOf("head", scheduler), encodeEnvelope(started, 1));
  await settle();
  theatre.store.finish(1);
  await settle();
  assert.equal(theatre.board.job(1)?.ranks[0]?.pid, 42);
  assert.equal(theatre.board.job(1)?.status, "RUNNING");
});

test("a node that falls silent becomes suspect, then lost, and the board shows it", async () => {
  const theatre = await open();
  await theatre.passSeconds(2);
  await theatre.beat();
  await theatre.passSeconds(2);
  assert.equal(theatre.board.nodePhase("head"), "alive");
  await theatre.passSeconds(2);
  assert.equal(theatre.board.nodePhase("head"), "suspect");
  await theatre.passSeconds(8);
  assert.equal(theatre.board.nodePhase("head"), "lost");
  await theatre.beat();
  assert.equal(theatre.board.nodePhase("head"), "alive");
});

test("a vault that fails refuses the submission, and no job exists", async () => {
  const full: SecretVault = {
    ...vaultInMemory(),
    put: () => Promise.reject(new Error("the disk is full")),
  };
  const theatre = await open(full);
  await theatre.beat();
  const reply = await theatre.submit(task({ secrets: { A: "b" } }));
  assert.deepEqual(reply, {
    ...{ kind: "refused", code: "store/failed", params: { why: "the disk is full" } },
  });
  assert.deepEqual(theatre.board.jobs(), []);
});

test("a vault without room says where there is none", async () => {
  const params = { path: "/v", free: "0 KiB", hint: "Make room there" };
  const put = () => Promise.reject(new SkyError("disk/full", params));
  const theatre = await open({ ...vaultInMemory(), put });
  await theatre.beat();
  const reply = await theatre.submit(task({ secrets: { A: "b" } }));
  assert.deepEqual(reply, { kind: "refused", code: "disk/full", params });
});

test("the vault keeps, gives and removes; its files are the user's alone", async () => {
  const folder = await mkdtemp(`${tmpdir()}/vault-`);
  try {
    const inMemory = vaultIn(createMemoryFiles("/home"), "/home/secrets");
    for (const vault of [inMemory, vaultIn(createOsFiles(folder), `${folder}/a/secrets`)]) {
      assert.deepEqual(await vault.all(), new Map());
      await vault.put(7, { TOKEN: 'a"b\n' });
      await vault.put(8, {});
      assert.deepEqual((await vault.all()).get(7), { TOKEN: 'a"b\n' });
      await vault.remove(8);
      await vault.remove(8);
      assert.deepEqual([...(await vault.all()).keys()], [7]);
    }
    const { mode } = await stat(`${folder}/a/secrets/job-7.json`);
    assert.equal(mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
