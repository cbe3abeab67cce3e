// The head of a home in which nothing was ever launched: it is known without asking anybody that
// there are no clusters, so none is started to say so. It becomes a real one with its first launch.

import { unknownCluster } from "./cluster-name.ts";
import type { Head } from "./head.ts";

/** Answers as a head without clusters does. */
const nobody: Omit<Head, "launch" | "version" | "inspect" | "close"> = {
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
};

function unknown(cluster: string): never {
  throw unknownCluster(cluster, []);
}

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
