// What a submit adds for the files of its workdir: packed for the first time, unchanged, and with
// one file changed.
//
// The parts of the head that do it are measured in this process, with a content store on disk and
// the threads that the head has; a job's record and its answer come on top (see `latency`). The
// peer is rsync of the same folder on the same disk, in turns, where it is installed. Counts do not
// depend on the machine: chunks and bytes that were new in the store.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createMemoryLog } from "../runtime/log-memory.ts";
import { boardInMemory } from "../scheduler/board-memory.ts";
import { createSourceMemory } from "../scheduler/source-memory.ts";
import type { Workdirs } from "../scheduler/workdirs-os.ts";
import { openWorkdirs } from "../scheduler/workdirs-os.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import { openContentStore } from "../transfer/chunks/content-store-os.ts";
import { createThreadWork } from "../transfer/chunks/work-threads-os.ts";
import { createThreadReading } from "../transfer/tree/reading-threads-os.ts";
import { msText, type Report, type Row, spreadOf } from "./report.ts";

const sizes = [1_000, 10_000, 100_000] as const;
const filesOfFolder = 100;
const textBytes = 400;
const largeMib = 512;
const again = 5;
const unchangedMsMax = 300;

interface Place {
  readonly root: string;
  readonly workdirs: Workdirs;
  readonly store: ContentStore;
  readonly delay: ReturnType<typeof monitorEventLoopDelay>;
}

export async function submitReport(): Promise<Report> {
  const root = mkdtempSync(join(tmpdir(), "sky-bench-submit-"));
  const store = await openContentStore({ dir: join(root, "chunks"), reserveBytes: 0 });
  const [work, reading] = [createThreadWork(), createThreadReading()];
  const workdirs = await openWorkdirs({
    ...{ cluster: "bench", dir: join(root, "copies"), board: boardInMemory() },
    ...{ chunks: store, work, reading, memory: createSourceMemory(), log: createMemoryLog() },
    recorded: async () => new Map(),
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const place = { root, workdirs, store, delay };
  const hasPeer = spawnSync("rsync", ["--version"]).status === 0;
  try {
    const rows: Row[] = [];
    for (const files of sizes) rows.push(...(await rowsOf(place, files)));
    rows.push(...(await largeRows(place)));
    const p99 = delay.percentile(99) / 1e6;
    return {
      title: "files of a submit",
      rows,
      notes: [
        `${textBytes} bytes a file, ${filesOfFolder} in a folder; the large one: ${largeMib} MiB`,
        `the loop of the main thread was late by ${msText(p99)} at p99`,
        ...(hasPeer ? [] : ["rsync is not installed: there is no peer in this run"]),
      ],
    };
  } finally {
    await workdirs.close();
    await reading.close();
    await work.close();
    await store.close();
    rmSync(root, { recursive: true, force: true });
  }
}

async function rowsOf(place: Place, files: number): Promise<readonly Row[]> {
  const folder = join(place.root, `${files}`);
  for (let at = 0; at < files; at += 1) {
    if (at % filesOfFolder === 0) mkdirSync(folderOf(folder, at), { recursive: true });
    writeFileSync(fileOf(folder, at), `${at} `.repeat(textBytes).slice(0, textBytes));
  }
  const what = `${files.toLocaleString("en-US")} files`;
  let changes = 0;
  const change = (): void => {
    changes += 1;
    writeFileSync(fileOf(folder, Math.floor(files / 2)), `changed ${changes}`);
  };
  const first = await measured(place, folder, { times: 1 });
  const same = await measured(place, folder, { times: again });
  const changed = await measured(place, folder, { times: again, before: change });
  const kept = same.p50 <= unchangedMsMax;
  const budget = { text: `p50 ≤ ${unchangedMsMax} ms`, kept };
  const rows: readonly Row[] = [
    { what: `${what}, for the first time`, values: first.values },
    { what: `${what}, unchanged`, values: same.values, ...(files > 10_000 ? {} : { budget }) },
    { what: `${what}, one changed`, values: changed.values },
    ...peerRows(place.root, folder, { what, change }),
  ];
  rmSync(folder, { recursive: true });
  return rows;
}

async function largeRows(place: Place): Promise<readonly Row[]> {
  const folder = join(place.root, "large");
  mkdirSync(folder);
  const size = `bs=1M count=${largeMib}`.split(" ");
  const urandom = "if=/dev/urandom";
  execFileSync("dd", [urandom, `of=${folder}/large`, ...size], { stdio: "ignore" });
  let changes = 0;
  const before = (): void => {
    changes += 1;
    writeFileSync(`${folder}/small`, `changed ${changes}`);
  };
  before();
  const what = "one large file and a small one";
  const first = await measured(place, folder, { times: 1 });
  const changed = await measured(place, folder, { times: again, before });
  rmSync(folder, { recursive: true });
  return [
    { what: `${what}, for the first time`, values: first.values },
    { what: `${what}, the small one changed`, values: changed.values },
  ];
}

interface Measure {
  readonly times: number;
  /** Is done each time, and not measured. */
  readonly before?: () => void;
}

async function measured(place: Place, folder: string, { times, before }: Measure) {
  const { workdirs, store, delay } = place;
  const task = {
    ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
    workdir: folder,
  };
  const samples: number[] = [];
  const [chunks, bytes] = [store.counts().stored, store.counts().bytes];
  for (let time = 0; time < times; time += 1) {
    before?.();
    delay.enable();
    const startedAt = performance.now();
    const snapshots = await workdirs.snapshot([task]);
    samples.push(performance.now() - startedAt);
    delay.disable();
    await workdirs.assign(snapshots, []);
  }
  const { p50, max } = spreadOf(samples);
  const stored = (store.counts().stored - chunks) / times;
  const kib = (store.counts().bytes - bytes) / times / 1024;
  const counts = { "new chunks": stored.toFixed(1), "new KiB": kib.toFixed(0) };
  return { p50, values: { p50: msText(p50), max: msText(max), ...counts } };
}

/** The same folder to another of the same disk; nothing where rsync is not installed. */
function peerRows(
  root: string,
  folder: string,
  { what, change }: { readonly what: string; readonly change: () => void },
): readonly Row[] {
  const target = join(root, "peer");
  const once = (): number | undefined => {
    const startedAt = performance.now();
    const { status } = spawnSync("rsync", ["-a", `${folder}/`, target]);
    return status === 0 ? performance.now() - startedAt : undefined;
  };
  const rows = (["for the first time", "unchanged", "one changed"] as const).flatMap((kind) => {
    if (kind === "one changed") change();
    const ms = once();
    return ms === undefined
      ? []
      : [{ what: `rsync: ${what}, ${kind}`, values: { p50: msText(ms) } }];
  });
  rmSync(target, { recursive: true, force: true });
  return rows;
}

function folderOf(folder: string, at: number): string {
  return join(folder, `d${Math.floor(at / filesOfFolder)}`);
}

function fileOf(folder: string, at: number): string {
  return join(folderOf(folder, at), `f${at}`);
}
