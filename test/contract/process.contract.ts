// What every process port obeys, whether its programs are real or scripted.
//
// The suite writes programs as steps; each version turns them into what it runs. Waiting is for an
// event, with a deadline that only a broken port reaches.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Exit } from "../../model/job.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import type { ProcessEvent, ProcessPort, ProcessReport } from "../../runtime/process.ts";
import type { ProgramStep } from "../../runtime/process-memory.ts";

/** One node on which a port's agents come and go. */
export interface ProcessBench {
  /** The folder of the ranks' directories. */
  readonly ranksDir: string;
  readonly home: string;
  open(): Promise<ProcessPort>;
  /** The agent is gone without a word: `kill -9`. */
  crash(port: ProcessPort): Promise<void>;
  scriptOf(steps: readonly ProgramStep[]): string;
  /** A program that waits for a word goes on. */
  letGo(dir: string): Promise<void>;
  readLog(dir: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

export const deadlineMs = 20_000;

type Ended = Extract<ProcessEvent, { readonly kind: "exited" }>;

export function processContract(name: string, makeBench: () => Promise<ProcessBench>): void {
  /** Runs `body` with a fresh node and port, and leaves nothing of them. */
  const check = (what: string, body: (bench: ProcessBench, port: ProcessPort) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      // Timers of a port keep no process alive; a test that waits for one does.
      const alive = setInterval(() => {}, 1_000);
      const bench = await makeBench();
      const port = await bench.open();
      try {
        await body(bench, port);
      } finally {
        await port.close();
        await bench.close();
        clearInterval(alive);
      }
    });

  check("a prepared process waits for go, and twice is once", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const heard = hear(port);
    await port.prepare(specOf(bench, dir, [write("hi\n")], false));
    assert.equal(phaseOf(await port.inventory(), dir), "prepared");
    assert.equal(heard.events.length, 0);
    port.go(dir);
    port.go(dir);
    const ended = await heard.exit(dir);
    assert.deepEqual(ended.exit, { kind: "code", code: 0 });
    assert.equal(ended.logBytes, 3);
    assert.equal(heard.events.filter((event) => event.kind === "started").length, 1);
    assert.equal(Buffer.from(await bench.readLog(dir)).toString(), "hi\n");
  });

  check(
    "it starts when ready if asked to, and says so before it says that it ended",
    async (bench, port) => {
      const dir = `${bench.ranksDir}/1-1-run-0`;
      const heard = hear(port);
      await port.prepare(specOf(bench, dir, [], true));
      await heard.exit(dir);
      assert.deepEqual(
        heard.events.map((event) => event.kind),
        ["started", "exited"],
      );
    },
  );

  check("a directory is claimed once, also after its rank ended", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const heard = hear(port);
    await port.prepare(specOf(bench, dir, [], false));
    await assert.rejects(port.prepare(specOf(bench, dir, [], true)), isClaimed);
    port.go(dir);
    await heard.exit(dir);
    await assert.rejects(port.prepare(specOf(bench, dir, [], true)), isClaimed);
    const next = await reopened(bench, port);
    await assert.rejects(next.prepare(specOf(bench, dir, [], true)), isClaimed);
    await next.close();
  });

  check("exit codes and signals", async (bench, port) => {
    const heard = hear(port);
    for (const code of [0, 1, 7, 255]) {
      const dir = `${bench.ranksDir}/${code + 1}-1-run-0`;
      await port.prepare(specOf(bench, dir, [{ do: "exit", code }], true));
      assert.deepEqual((await heard.exit(dir)).exit, { kind: "code", code });
    }
    const dir = `${bench.ranksDir}/1000-1-run-0`;
    await port.prepare(specOf(bench, dir, [{ do: "die", signal: 9 }], true));
    const { exit } = await heard.exit(dir);
    assert.deepEqual(exit, { kind: "signal", signal: 9, evidence: "" });
  });

  check("output is byte for byte", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const heard = hear(port);
    const line = Buffer.alloc(1_048_576, 0x78);
    const parts = [Buffer.from([0xff, 0x0d, 0x00, 0x0a, 0xc3]), line, Buffer.from("\nno newline")];
    await port.prepare(specOf(bench, dir, parts.map(writeBytes), true));
    const ended = await heard.exit(dir);
    const log = Buffer.from(await bench.readLog(dir));
    assert.equal(ended.logBytes, log.length);
    assert.ok(log.equals(Buffer.concat(parts)));
  });

  check("TERM ends it, unless it ignores TERM; KILL ends it always", async (bench, port) => {
    const heard = hear(port);
    const [soft, hard] = [`${bench.ranksDir}/1-1-run-0`, `${bench.ranksDir}/2-1-run-0`];
    await port.prepare(specOf(bench, soft, [write("."), forEver], true));
    await port.prepare(specOf(bench, hard, [{ do: "ignore-term" }, write("."), forEver], true));
    await logHas(bench, soft, 1);
    await logHas(bench, hard, 1);
    await port.signal(hard, "TERM");
    await port.signal(soft, "TERM");
    const { exit } = await heard.exit(soft);
    assert.equal(exit.kind === "signal" && exit.signal, 15);
    assert.equal(phaseOf(await port.inventory(), hard), "running");
    await port.signal(hard, "KILL");
    const killed = (await heard.exit(hard)).exit;
    assert.equal(killed.kind === "signal" && killed.signal, 9);
  });

  check("a sweep ends what runs and what it left, and nothing of others", async (bench, port) => {
    const heard = hear(port);
    const [mine, other] = [`${bench.ranksDir}/1-1-run-0`, `${bench.ranksDir}/2-1-run-0`];
    const steps: ProgramStep[] = [{ do: "leave-survivor" }, write("."), { do: "wait-for-ever" }];
    await port.prepare(specOf(bench, mine, steps, true));
    await port.prepare(specOf(bench, other, steps, true));
    await logHas(bench, mine, 1);
    await logHas(bench, other, 1);
    const swept = await port.sweep(mine);
    assert.ok(swept.found >= 2, `found ${swept.found}`);
    assert.equal(swept.killed, swept.found);
    assert.equal(swept.survivors, 0);
    await heard.exit(mine);
    assert.equal((await port.sweep(mine)).found, 0);
    assert.equal(phaseOf(await port.inventory(), other), "running");
    await port.sweep(other);
    await heard.exit(other);
  });

  check("a process whose shim is killed ends as unknown", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const heard = hear(port);
    const steps: ProgramStep[] = [{ do: "lose-shim" }, { do: "wait-for-ever" }];
    await port.prepare(specOf(bench, dir, steps, true));
    assert.equal((await heard.exit(dir)).exit.kind, "unknown");
    assert.equal(phaseOf(await port.inventory(), dir), "exited");
  });

  check("what stood ready when its agent was killed never starts", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    await port.prepare(specOf(bench, dir, [write("started")], false));
    const next = await reopened(bench, port);
    assert.equal(phaseOf(await next.inventory(), dir), "never-started");
    next.go(dir);
    assert.equal(phaseOf(await next.inventory(), dir), "never-started");
    assert.equal((await bench.readLog(dir)).length, 0);
    await next.close();
  });

  check("what runs when its agent is killed runs on and is taken over", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const first = hear(port);
    const steps: ProgramStep[] = [
      write("a"),
      { do: "wait-for-word" },
      write("b"),
      { do: "exit", code: 5 },
    ];
    await port.prepare(specOf(bench, dir, steps, true));
    const started = await first.start(dir);
    const next = await reopened(bench, port);
    const heard = hear(next);
    const report = (await next.inventory()).find((each) => each.dir === dir);
    assert.equal(report?.phase, "running");
    assert.equal(report?.phase === "running" && report.pid, started.pid);
    await bench.letGo(dir);
    const ended = await heard.exit(dir);
    assert.deepEqual(ended.exit, { kind: "code", code: 5 });
    assert.equal(ended.logBytes, 2);
    assert.equal(Buffer.from(await bench.readLog(dir)).toString(), "ab");
    await next.close();
  });

  check("what ended while no agent was there is in the inventory", async (bench, port) => {
    const dir = `${bench.ranksDir}/1-1-run-0`;
    const heard = hear(port);
    await port.prepare(specOf(bench, dir, [write("x"), { do: "exit", code: 3 }], true));
    await heard.exit(dir);
    const next = await reopened(bench, port);
    const report = (await next.inventory()).find((each) => each.dir === dir);
    assert.equal(report?.phase, "exited");
    assert.deepEqual(report?.phase === "exited" && report.exit, { kind: "code", code: 3 });
    assert.equal(report?.phase === "exited" && report.logBytes, 1);
    await next.close();
  });

  check("what is on a lease does not outlive it, though its agent does not live", leaseEnds);
  check("a lease that is renewed holds", leaseHolds);
}

async function leaseEnds(bench: ProcessBench, port: ProcessPort): Promise<void> {
  const dir = `${bench.ranksDir}/1-1-run-0`;
  const steps: ProgramStep[] = [{ do: "leave-survivor" }, write("."), { do: "wait-for-ever" }];
  await port.prepare({ ...specOf(bench, dir, steps, false), leased: true });
  port.go(dir, { leaseMs, from: monoMs() });
  await logHas(bench, dir, 1);
  const next = await reopened(bench, port);
  const heard = hear(next);
  const [report] = await next.inventory();
  assert.equal(report?.phase === "running" && report.lease?.leaseMs, leaseMs);
  const { exit } = await heard.exit(dir);
  assert.deepEqual(exit, stopped);
  assert.equal((await next.sweep(dir)).found, 0);
  await next.close();
}

async function leaseHolds(bench: ProcessBench, port: ProcessPort): Promise<void> {
  const dir = `${bench.ranksDir}/1-1-run-0`;
  const heard = hear(port);
  await port.prepare({ ...specOf(bench, dir, [write("."), forEver], false), leased: true });
  const from = monoMs();
  port.go(dir, { leaseMs, from });
  // What was confirmed late or twice takes nothing back.
  port.renew(from + leaseMs);
  port.renew(from);
  const { exit } = await heard.exit(dir);
  assert.ok(monoMs() >= from + 2 * leaseMs - roundingMs, "not before its end");
  assert.deepEqual(exit, stopped);
}

const leaseMs = 1_500;
const stopped: Exit = { kind: "stopped", why: "lease-expired" };
/** The watchdog counts in hundredths of a second. */
const roundingMs = 20;
const forEver: ProgramStep = { do: "wait-for-ever" };

function monoMs(): number {
  return createOsClock().now().monoMs;
}

// ---- what the suite and its real version's own tests share

export function write(text: string): ProgramStep {
  return writeBytes(Buffer.from(text));
}

function writeBytes(bytes: Uint8Array): ProgramStep {
  return { do: "write", base64: Buffer.from(bytes).toString("base64") };
}

function specOf(
  bench: ProcessBench,
  dir: string,
  ...[steps, goWhenReady]: readonly [readonly ProgramStep[], boolean]
) {
  const { home } = bench;
  return { dir, script: bench.scriptOf(steps), cwd: home, home, env: {}, goWhenReady };
}

async function reopened(bench: ProcessBench, port: ProcessPort): Promise<ProcessPort> {
  await bench.crash(port);
  return await bench.open();
}

function isClaimed(error: unknown): boolean {
  return isSkyError(error, "process/claimed");
}

function phaseOf(reports: readonly ProcessReport[], dir: string): string | undefined {
  return reports.find((report) => report.dir === dir)?.phase;
}

/** Collects a port's events from now on, and waits for those of one directory. */
export function hear(port: ProcessPort) {
  const events: ProcessEvent[] = [];
  const waiting = new Set<() => void>();
  port.onEvent((event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  const find = async <K extends ProcessEvent["kind"]>(kind: K, dir: string) => {
    type Wanted = Extract<ProcessEvent, { readonly kind: K }>;
    const seen = () =>
      events.find((event): event is Wanted => event.kind === kind && event.dir === dir);
    return await new Promise<Wanted>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${kind} of ${dir}`)), deadlineMs);
      const look = (): void => {
        const event = seen();
        if (event === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(event);
      };
      waiting.add(look);
      look();
    });
  };
  return {
    events,
    exit: (dir: string): Promise<Ended> => find("exited", dir),
    start: (dir: string) => find("started", dir),
  };
}

/** Waits until a log has so many bytes. */
export async function logHas(bench: ProcessBench, dir: string, bytes: number): Promise<void> {
  await until(async () => (await bench.readLog(dir)).length >= bytes, `${bytes} bytes in ${dir}`);
}

/** Looks again until it is so; fails after the deadline. */
export async function until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
