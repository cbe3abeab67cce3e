// Snapshots of workdirs: as they were, shared within a call, gone with their last job.

import assert from "node:assert/strict";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import { silentLog } from "../../runtime/log.ts";
import { openWorkdirs } from "../../scheduler/workdirs-os.ts";
import { shownBoard } from "../support/board.ts";
import { until } from "../support/until.ts";

const plain: Task = {
  numNodes: 1,
  resources: {},
  envs: {},
  secrets: {},
  priority: 0,
  maxRestarts: 0,
};

function job(id: number, phase: Job["phase"]): Job {
  return {
    id,
    phase,
    name: "t",
    user: "u",
    status: phase === "ended" ? "SUCCEEDED" : "PENDING",
    submittedAt: 0,
    resources: "",
    numNodes: 1,
    attempt: 1,
    ranks: [],
    setups: [],
    sweeps: [],
  };
}

async function inFolder(check: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "sky-workdirs-"));
  try {
    await check(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test("a copy has everything as it was, but no version control", async () => {
  await inFolder(async (root) => {
    const workdir = join(root, "user");
    await mkdir(join(workdir, ".git"), { recursive: true });
    await mkdir(join(workdir, "empty"));
    await writeFile(join(workdir, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
    await writeFile(join(workdir, "ünï cödé"), "x");
    await symlink("run.sh", join(workdir, "link"));
    const board = shownBoard();
    const workdirs = await openWorkdirs({ dir: join(root, "copies"), board, log: silentLog });
    const [copy = ""] = await workdirs.snapshot([{ ...plain, workdir }]);
    await writeFile(join(workdir, "run.sh"), "changed");
    assert.deepEqual((await readdir(copy)).sort(), ["empty", "link", "run.sh", "ünï cödé"]);
    assert.equal((await stat(join(copy, "run.sh"))).mode & 0o777, 0o755);
    assert.equal(await readlink(join(copy, "link")), "run.sh");
    assert.equal(await readFile(join(copy, "run.sh"), "utf8"), "#!/bin/sh\n");
    await workdirs.close();
  });
});

test("tasks share a copy; it goes when the last of its jobs has ended", async () => {
  await inFolder(async (root) => {
    const dir = join(root, "copies");
    await mkdir(join(root, "user"));
    const board = shownBoard();
    const workdirs = await openWorkdirs({ dir, board, log: silentLog });
    const task = { ...plain, workdir: join(root, "user") };
    const copies = await workdirs.snapshot([task, plain, task]);
    assert.equal(copies[0], copies[2]);
    assert.equal(copies[1], undefined);
    board.show(job(1, "queued"), job(2, "queued"), job(3, "queued"));
    await workdirs.assign(copies, [1, 2, 3]);
    board.show(job(1, "ended"), job(2, "ended"));
    assert.equal((await readdir(dir)).length, 2);
    board.show(job(3, "ended"));
    await until("nothing is left", async () => (await readdir(dir)).length === 0);
    await workdirs.close();
  });
});

test("a later head keeps what living jobs need, and removes what none needs", async () => {
  await inFolder(async (root) => {
    const dir = join(root, "copies");
    await mkdir(join(root, "user"));
    const board = shownBoard();
    const first = await openWorkdirs({ dir, board, log: silentLog });
    const task = { ...plain, workdir: join(root, "user") };
    board.show(job(1, "queued"), job(2, "queued"));
    await first.assign(await first.snapshot([task]), [1]);
    await first.assign(await first.snapshot([task]), [2]);
    await first.close();
    board.show(job(1, "ended"));
    const later = await openWorkdirs({ dir, board, log: silentLog });
    await until("one copy is left", async () => (await readdir(dir)).length === 2);
    board.show(job(2, "ended"));
    await until("nothing is left", async () => (await readdir(dir)).length === 0);
    await later.close();
  });
});

test("a refused submit leaves no copy, and a missing folder is the user's to mend", async () => {
  await inFolder(async (root) => {
    const dir = join(root, "copies");
    await mkdir(join(root, "user"));
    const board = shownBoard();
    const workdirs = await openWorkdirs({ dir, board, log: silentLog });
    await workdirs.assign(await workdirs.snapshot([{ ...plain, workdir: join(root, "user") }]), []);
    await until("nothing is left", async () => (await readdir(dir)).length === 0);
    await assert.rejects(workdirs.snapshot([{ ...plain, workdir: join(root, "none") }]), (error) =>
      isSkyError(error, "request/invalid"),
    );
    await workdirs.close();
  });
});
