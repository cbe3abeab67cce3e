// The head of a home in which nothing was ever launched: it is known without asking anybody that
// there are no clusters and no transfers, so none is started to say so. It becomes a real one with
// the first launch, or the first transfer.

import { SkyError } from "../model/errors.ts";
import { unknownCluster } from "./cluster-name.ts";
import type { Head } from "./head.ts";

/** What there has to be a head for. */
type Begins = "launch" | "previewTransfer" | "startTransfer";

/** Answers as a head without clusters does. */
const nobody: Omit<Head, Begins | "version" | "inspect" | "close"> = {
  status: async ([name]) => (name === undefined ? [] : unknown(name)),
  refresh: async ([name]) => {
    return name === undefined ? { clusters: [], refreshed: [] } : unknown(name);
  },
  costReport: async () => [],
  start: ({ cluster }) => none(cluster),
  stop: async ({ cluster }) => unknown(cluster),
  down: async ({ cluster }) => unknown(cluster),
  setAutostop: async (cluster) => unknown(cluster),
  submit: async ({ cluster }) => unknown(cluster),
  listJobs: async ({ cluster }) => unknown(cluster),
  getJob: async ({ cluster }) => unknown(cluster),
  cancel: async ({ cluster }) => unknown(cluster),
  tailLogs: ({ cluster }) => none(cluster),
  watchEvents: ({ cluster }) => none(cluster),
  why: async ({ cluster }) => unknown(cluster),
  listTransfers: async () => [],
  getTransfer: async (id) => noTransfer(id),
  transferFailures: async (id) => noTransfer(id),
  watchTransfer: async function* (id) {
    yield noTransfer(id);
  },
  cancelTransfer: async ({ transfer }) => noTransfer(transfer),
  resumeTransfer: async ({ transfer }) => noTransfer(transfer),
  // This machine alone has no link to measure.
  profileLinks: ({ clusters: [name] }) => (name === undefined ? nothing() : none(name)),
};

function noTransfer(id: number): never {
  throw new SkyError("transfer/not-found", { id });
}

function unknown(cluster: string): never {
  throw unknownCluster(cluster, []);
}

async function* nothing(): AsyncGenerator<never> {}

/** A stream that fails when it is read. */
async function* none(cluster: string): AsyncGenerator<never> {
  yield unknown(cluster);
}

/** `connect` starts a head; it is called when there is something for it to do. */
export function emptyHomeHead(connect: () => Promise<Head>): Head {
  let real: Promise<Head> | undefined;
  const begun = (): Promise<Head> => {
    real ??= connect();
    return real;
  };
  const now = async () => real ?? nobody;
  async function* read<T>(open: (head: typeof nobody) => AsyncIterable<T>): AsyncIterable<T> {
    yield* open(await now());
  }
  return {
    launch: async function* (...args) {
      yield* (await begun()).launch(...args);
    },
    previewTransfer: async (...args) => (await begun()).previewTransfer(...args),
    startTransfer: async (...args) => (await begun()).startTransfer(...args),
    profileLinks: (...args) => read((head) => head.profileLinks(...args)),
    listTransfers: async (...args) => (await now()).listTransfers(...args),
    getTransfer: async (...args) => (await now()).getTransfer(...args),
    transferFailures: async (...args) => (await now()).transferFailures(...args),
    watchTransfer: (...args) => read((head) => head.watchTransfer(...args)),
    cancelTransfer: async (...args) => (await now()).cancelTransfer(...args),
    resumeTransfer: async (...args) => (await now()).resumeTransfer(...args),
    version: async (...args) => (await begun()).version(...args),
    inspect: async (...args) => (await begun()).inspect(...args),
    close: () => void real?.then((head) => head.close()),
    status: async (...args) => (await now()).status(...args),
    refresh: async (...args) => (await now()).refresh(...args),
    costReport: async (...args) => (await now()).costReport(...args),
    start: (...args) => read((head) => head.start(...args)),
    stop: async (...args) => (await now()).stop(...args),
    down: async (...args) => (await now()).down(...args),
    setAutostop: async (...args) => (await now()).setAutostop(...args),
    submit: async (...args) => (await now()).submit(...args),
    listJobs: async (...args) => (await now()).listJobs(...args),
    getJob: async (...args) => (await now()).getJob(...args),
    cancel: async (...args) => (await now()).cancel(...args),
    tailLogs: (...args) => read((head) => head.tailLogs(...args)),
    watchEvents: (...args) => read((head) => head.watchEvents(...args)),
    why: async (...args) => (await now()).why(...args),
  };
}
