// A head that serves chunks and nodes that fetch them, over sessions in memory, with folders of
// their own on this disk. For tests of what nodes lay out.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { RankState } from "../../agent/rank.ts";
import { createNodeWorkdir, type NodeWorkdir } from "../../agent/workdir-os.ts";
import { homeAt, hostHomeAt } from "../../model/home.ts";
import type { RankKey } from "../../model/job.ts";
import type { TreeRef } from "../../model/tree.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { fileLinksOf } from "../../runtime/file-links-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { serveWorkdirs } from "../../scheduler/workdir-serving.ts";
import type { ChunkRef } from "../../transfer/chunks/chunk.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { packTree } from "../../transfer/tree/pack.ts";
import { workdirPin } from "../../transfer/tree/pins.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";

const target = { host: "head", port: 0 };
export const work = createInlineWork();

export function rank(job: number, of: Partial<RankKey> = {}): RankKey {
  return { job, attempt: 1, phase: "run", index: 0, ...of };
}

interface NodeOptions {
  readonly beforePut?: () => Promise<void>;
  readonly ranks?: readonly RankState[];
  /** Its HOME is somebody's, beside the node's folder. */
  readonly isHost?: boolean;
}

export async function stage(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "sky-node-"));
  const clock = createOsClock();
  const hub = createStreamHub();
  const disk = new MemoryContentDisk();
  const chunks = createMemoryContentStore({ disk });
  const metrics = createMetrics();
  const serving = serveWorkdirs({
    ...{ chunks, work, metrics, clock, log: silentLog },
    hold: () => () => {},
    mend: async () => {},
  });
  const accept = (session: StreamSession): void => {
    session.onChannel((channel) => {
      if (!serving.take(session, channel)) channel.abort("for no chunks");
    });
  };
  const listener = await hub.connect("head").listen({ target, onSession: accept });
  const nodes: NodeWorkdir[] = [];
  context.after(async () => {
    for (const node of nodes) await node.close();
    await serving.close();
    await listener.close();
    rmSync(root, { recursive: true, force: true });
  });
  const dial = (peer: string) => hub.connect(peer).dial(target, AbortSignal.timeout(5_000));
  /** A folder, packed and pinned for a cluster. */
  const pack = async (name: string, cluster = "demo"): Promise<TreeRef> => {
    const keep = async (batch: readonly { ref: ChunkRef; bytes: Uint8Array }[]): Promise<void> => {
      for (const { ref, bytes } of batch) await chunks.put(ref.digest, bytes);
    };
    const reading = createInlineReading({ newCutter: () => new ContentCutter() });
    const source = { path: `${root}/${name}`, isFile: false };
    const packed = await packTree(source, { keep, reading, work });
    await chunks.pin(workdirPin(cluster, packed.tree.digest), packed.chunks);
    return packed.tree;
  };
  const nodeOf = (
    name: string,
    store = new MemoryContentDisk(),
    { beforePut = async () => {}, ranks = [], isHost = false }: NodeOptions = {},
  ) => {
    const login = { home: `${root}/login`, workdir: `sky_workdir` };
    const home = isHost
      ? hostHomeAt(`${root}/hosted/${name}/node`, login)
      : homeAt(root).cluster("demo").node(name);
    mkdirSync(home.home, { recursive: true });
    mkdirSync(home.state, { recursive: true });
    const workdir = createNodeWorkdir({
      ...{ cluster: "demo", node: name, home, clock, log: silentLog },
      ...{ files: createOsFiles(home.root), links: fileLinksOf(home), ranks },
      keepsLists: isHost,
      ...{ host: name, streams: hub.connect(`demo/${name}`), random: createMemoryRandom(1) },
      ...{ chunks: createMemoryContentStore({ disk: store, beforePut }), work },
      session: () => dial(`demo/${name}`),
    });
    nodes.push(workdir);
    return { workdir, store, home, folder: `${home.home}/sky_workdir` };
  };
  return { root, disk, chunks, metrics, dial, pack, nodeOf };
}
