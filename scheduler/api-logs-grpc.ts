// TailLogs: the bytes of a job's logs, and its outcome after the last of them.
//
// The job comes first and again whenever more is known of it; a rank's first bytes wait until its
// pid is known, because the reader prints it in front of them. The setup's logs come before those
// of the run. What must always hold: per log, bytes in order and each once from the offset on;
// `ended` only after every byte of every log that the reader asked for.

import { SkyError } from "../model/errors.ts";
import type { Job, RankKey, RankRecord } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import { jobToProto } from "../proto/converters-job.ts";
import { rankKeyFromProto, rankKeyToProto } from "../proto/converters-rank.ts";
import type { sky } from "../proto/gen/sky.js";
import type { ApiOptions } from "./api-options.ts";
import { Gather } from "./gather.ts";
import type { Head } from "./head.ts";
import type { LogChunk } from "./log-store.ts";
import { logKeys } from "./log-store.ts";
import { demandValid, headOf, jobOf } from "./lookup.ts";

type Reply = sky.v1.TailLogsResponse.$Properties;

export async function* tailLogs(
  options: ApiOptions,
  request: sky.v1.TailLogsRequest,
  signal: AbortSignal,
): AsyncGenerator<Reply> {
  const { cluster } = request;
  const head = await headOf(options, { cluster, what: "Tailing logs", signal });
  const { id, numNodes } = await jobOf(head.board, cluster, request.job);
  const beyond = request.ranks.find((rank) => rank < 0 || rank >= numNodes);
  const ranks = numNodes === 1 ? "only rank 0" : `ranks 0 to ${numNodes - 1}`;
  const why = `job ${id} has ${ranks}, not ${beyond}`;
  demandValid(beyond === undefined ? undefined : { field: "rank", why });
  await demandKept(head, id);
  const below = request.offsets.find(({ offset }) => offset < 0)?.offset;
  demandValid(below === undefined ? undefined : { field: "offset", why: `${below} is below 0` });
  const tail = new Tail(head, request, signal);
  try {
    yield* tail.replies(id);
  } finally {
    await tail.close();
  }
}

/** @throws SkyError `logs/removed`. */
async function demandKept({ board, cluster, retention }: Head, id: number): Promise<void> {
  if (board.job(id)?.phase !== "ended" && board.job(id) !== undefined) return;
  if (!(await retention.tookLogs(id))) return;
  throw new SkyError("logs/removed", { id, name: cluster, limit: retention.limits.logBytes });
}

interface KeyedChunk {
  readonly key: RankKey;
  readonly chunk: LogChunk;
}

class Tail {
  readonly #head: Head;
  readonly #request: sky.v1.TailLogsRequest;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #chunks = new Gather<KeyedChunk>();
  readonly #offsets: ReadonlyMap<string, number>;
  /** The logs that are being sent or were; their promises resolve after the last byte. */
  readonly #logs = new Map<string, Promise<void>>();
  #shown: Job | undefined;

  constructor(head: Head, request: sky.v1.TailLogsRequest, signal: AbortSignal) {
    this.#head = head;
    this.#request = request;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
    this.#offsets = new Map(
      request.offsets.map(({ key, offset }) => [rankKeyText(rankKeyFromProto(key)), offset]),
    );
  }

  async *replies(id: number): AsyncGenerator<Reply> {
    const stopHearing = this.#head.board.onAnnouncement(({ jobs }) => {
      if (jobs.some((job) => job.id === id)) this.#chunks.nudge();
    });
    const onAbort = () => this.#chunks.nudge();
    this.#signal.addEventListener("abort", onAbort);
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const job = await this.#job(id);
        this.#open(job);
        if (isNews(this.#shown, job)) {
          this.#shown = job;
          yield { job: jobToProto(job) };
          continue;
        }
        const next = this.#chunks.take();
        if (next !== undefined) yield { chunk: chunkToProto(next) };
        else if (!this.#isOver(job)) await this.#chunks.changed();
        else break;
      }
      const job = await this.#job(id);
      if (job.phase === "ended") yield { ended: jobToProto(job) };
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      stopHearing();
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#chunks.close();
  }

  async #job(id: number): Promise<Job> {
    const { board } = this.#head;
    return board.job(id) ?? (await jobOf(board, this.#request.cluster, id));
  }

  /** Everything has been sent. Without `follow`, everything that is there now. */
  #isOver(job: Job): boolean {
    return this.#chunks.isDry && (job.phase === "ended" || !this.#request.follow);
  }

  /** Begins with logs of the present attempt that are not being sent yet. */
  #open(job: Job): void {
    const { setup, run } = logKeys(job);
    const { ranks } = this.#request;
    const wanted =
      ranks.length === 0 ? [...setup, ...run] : run.filter((key) => ranks.includes(key.index));
    for (const key of wanted) {
      if (this.#logs.has(rankKeyText(key))) continue;
      let done = () => {};
      this.#logs.set(rankKeyText(key), new Promise((resolve) => (done = resolve)));
      this.#chunks.add(this.#bytesOf(key, done));
    }
  }

  async *#bytesOf(key: RankKey, done: () => void): AsyncGenerator<KeyedChunk> {
    try {
      const { follow, tailLines } = this.#request;
      const given = this.#offsets.get(rankKeyText(key));
      if (follow) await this.#named(key);
      if (key.phase === "run") await this.#setupSent(key);
      const offset = given ?? (tailLines > 0 ? await this.#head.logs.tailStart(key, tailLines) : 0);
      const from = { key, offset, wait: follow, signal: this.#signal };
      for await (const chunk of this.#head.logs.follow(from)) yield { key, chunk };
    } finally {
      done();
    }
  }

  /** Waits until the pid in front of the rank's lines is known, or will never be. */
  async #named(key: RankKey): Promise<void> {
    await this.#head.board.until(
      key.job,
      (job) => {
        const record = recordOf(job, key);
        const known = record?.pid !== undefined || record?.exit !== undefined;
        return known || job.phase === "ended" || job.attempt > key.attempt;
      },
      this.#signal,
    );
  }

  async #setupSent(key: RankKey): Promise<void> {
    const prefix = `${key.job}-${key.attempt}-setup-`;
    const setups = [...this.#logs].filter(([text]) => text.startsWith(prefix));
    await Promise.all(setups.map(([, sent]) => sent));
  }
}

function recordOf(job: Job, key: RankKey): RankRecord | undefined {
  const records = key.phase === "setup" ? job.setups : job.ranks;
  return records.find(({ rank }) => rank === key.index);
}

/** Whether a reader of logs can show more than before: the phase, or somebody's pid. */
function isNews(before: Job | undefined, now: Job): boolean {
  if (before === now) return false;
  if (before === undefined) return true;
  if (before.phase !== now.phase || before.attempt !== now.attempt) return true;
  return pidsOf(before) !== pidsOf(now) || before.waitingFor !== now.waitingFor;
}

function pidsOf(job: Job): number {
  return [...job.setups, ...job.ranks].filter(({ pid }) => pid !== undefined).length;
}

/** Followers at one place share a chunk: what is made of it is made once. */
const encoded = new WeakMap<LogChunk, sky.v1.LogChunk.$Properties>();

function chunkToProto({ key, chunk }: KeyedChunk): sky.v1.LogChunk.$Properties {
  const known = encoded.get(chunk);
  if (known !== undefined) return known;
  const message = { key: rankKeyToProto(key), offset: chunk.offset, data: chunk.bytes };
  encoded.set(chunk, message);
  return message;
}
