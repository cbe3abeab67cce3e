// What tasks name of this machine, given to a head on a host before they are submitted there.
//
// It is packed into this home's content store, as for a head of this home, and what the other head
// lacks is pushed over the bulk wire, through a tunnel that is there for it alone. What was pushed
// once is remembered and not even asked about: the head looks at a submit whether it has all of it
// and says so if not, and then it is pushed again, once.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { FileMount, Task } from "../../model/task.ts";
import type { TreeRef } from "../../model/tree.ts";
import { taskFromProto, taskToProto } from "../../proto/converters-job.ts";
import type { sky } from "../../proto/gen/sky.js";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { hexToken, type Random } from "../../runtime/random.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { pushChunks } from "../../transfer/chunks/push.ts";
import type { ChunkWork } from "../../transfer/chunks/work.ts";
import { givenPin, workdirPin } from "../../transfer/tree/pins.ts";
import type { TreeReading } from "../../transfer/tree/reading.ts";
import { originProblem, withFilesOf } from "../api-jobs-grpc.ts";
import type { Board } from "../board.ts";
import { demandValid } from "../lookup.ts";
import type { SourceMemory } from "../source-memory.ts";
import { submissionProblem } from "../submission.ts";
import { openWorkdirs, type Snapshot, type Workdirs } from "../workdirs-os.ts";
import { openBulkSession } from "./bulk-session-os.ts";
import type { HeadLine } from "./head-line-grpc.ts";

export interface GivingOptions {
  readonly cluster: string;
  /** Where copies would be, which no head on a host asks for. */
  readonly copies: string;
  /** Where our ends of tunnels are. */
  readonly dir: string;
  readonly ssh: Pick<Ssh, "tunnel">;
  readonly line: (signal: AbortSignal) => Promise<HeadLine>;
  readonly chunks: ContentStore;
  readonly work: ChunkWork;
  readonly reading: TreeReading;
  readonly memory: SourceMemory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const keyBytes = 16;
/** Trees that are remembered to be there. */
const pushedMax = 4_096;

export class Giving {
  readonly #options: GivingOptions;
  readonly #pushed = new Set<string>();
  #workdirs: Promise<Workdirs> | undefined;

  constructor(options: GivingOptions) {
    this.#options = options;
  }

  async submit(request: sky.v1.SubmitRequest, signal: AbortSignal): Promise<readonly number[]> {
    const tasks = request.tasks.map((task) => withFilesOf(request, taskFromProto(task)));
    demandValid(submissionProblem(tasks) ?? originProblem(request));
    const workdirs = await this.#opened();
    const snapshots = await workdirs.snapshot(tasks, signal);
    try {
      return await this.#give(request, { tasks, snapshots, signal });
    } finally {
      // From here on it is the other head that needs them.
      await workdirs.assign(snapshots, []);
    }
  }

  async close(): Promise<void> {
    const workdirs = this.#workdirs;
    this.#workdirs = undefined;
    await (await workdirs)?.close();
  }

  async #give(
    request: sky.v1.SubmitRequest,
    { tasks, snapshots, signal }: Given,
  ): Promise<readonly number[]> {
    const trees = treesOf(snapshots);
    const wanted = {
      ...request,
      tasks: tasks.map((task, index) => taskToProto(withTrees(task, snapshots[index]))),
      // The same jobs, should it be submitted twice.
      idempotencyKey: request.idempotencyKey || hexToken(this.#options.random, keyBytes),
    };
    const submit = async (): Promise<readonly number[]> => {
      const line = await this.#options.line(signal);
      const lacking = trees.filter(({ digest }) => !this.#pushed.has(digest));
      if (lacking.length > 0) await this.#push(line, lacking, signal);
      const { jobIds } = await line.client.jobs.submit(wanted, { signal });
      return jobIds;
    };
    try {
      return await submit();
    } catch (error) {
      const isLost = isSkyError(error, "chunk/missing") || isSkyError(error, "chunk/damaged");
      if (!isLost || trees.length === 0) throw error;
      for (const { digest } of trees) this.#pushed.delete(digest);
      return await submit();
    }
  }

  /** Over a tunnel of its own, which goes with it. */
  async #push(line: HeadLine, trees: readonly TreeRef[], signal: AbortSignal): Promise<void> {
    const bulk = await openBulkSession(this.#options, line, signal);
    try {
      for (const tree of trees) await this.#pushOne(bulk.session, tree, signal);
    } finally {
      await bulk.close();
    }
  }

  async #pushOne(session: StreamSession, tree: TreeRef, signal: AbortSignal): Promise<void> {
    const { chunks, cluster, work, log } = this.#options;
    const { digest } = tree;
    const offer = (await chunks.pinned(workdirPin(cluster, digest))) ?? [tree];
    const { moved, movedBytes, known, missing } = await pushChunks({
      ...{ session, offer, from: chunks, signal, work },
      scope: givenPin(cluster, digest),
      until: "safe",
    });
    const [lost] = missing;
    // It is packed again by whoever submits again.
    if (lost) throw new SkyError("chunk/missing", { digest: lost.digest, where: "this home" });
    log.info("a tree was given to a head on a host", { cluster, digest, moved, movedBytes, known });
    this.#pushed.add(digest);
    const [oldest] = this.#pushed;
    if (this.#pushed.size > pushedMax && oldest !== undefined) this.#pushed.delete(oldest);
  }

  /** Nobody's job is here: whatever an earlier process pinned is let go of. */
  #opened(): Promise<Workdirs> {
    if (this.#workdirs !== undefined) return this.#workdirs;
    const { cluster, copies, chunks, work, reading, memory, log } = this.#options;
    const board: Board = nobodysBoard;
    const recorded = async () => new Map();
    const opening = openWorkdirs({
      ...{ cluster, dir: copies, board, chunks, work, reading, memory, log, recorded },
    });
    this.#workdirs = opening;
    opening.catch(() => {
      this.#workdirs = undefined;
    });
    return opening;
  }
}

interface Given {
  readonly tasks: readonly Task[];
  readonly snapshots: readonly Snapshot[];
  readonly signal: AbortSignal;
}

function treesOf(snapshots: readonly Snapshot[]): readonly TreeRef[] {
  const all = snapshots.flatMap(({ workdir, mounts }) => [
    ...(workdir === undefined ? [] : [workdir.tree]),
    ...mounts.map(({ tree }) => tree),
  ]);
  return [...new Map(all.map((tree) => [tree.digest, tree])).values()];
}

/** The task as the other head takes it: content in the place of paths. */
function withTrees({ workdir: _, ...task }: Task, snapshot: Snapshot | undefined): Task {
  const { workdir, mounts = [] } = snapshot ?? {};
  const fileMounts = task.fileMounts?.map((mount, index): FileMount => {
    const found = mounts[index];
    return found === undefined ? mount : { ...mount, tree: found };
  });
  return {
    ...task,
    ...(workdir === undefined ? {} : { workdirTree: workdir.tree }),
    ...(fileMounts === undefined ? {} : { fileMounts }),
  };
}

const nobodysBoard: Board = {
  job: () => undefined,
  jobs: () => [],
  find: async () => undefined,
  latest: async () => undefined,
  page: async () => [],
  nodePhase: () => "absent",
  misfit: () => undefined,
  needsCopies: () => false,
  autostop: () => undefined,
  onAnnouncement: () => () => {},
  until: async () => undefined,
};
