// Deliberate bugs: each is one that a simulation worth its name catches.
//
// Most are put in through the ports: a bus that forges what it carries or a store that answers too
// early stands for the code that would say so. A few replace a decision of a state machine while
// they run. No product code is changed. Each is made anew for every run, for some remember.

import type { StoreRecord } from "../../../runtime/store.ts";
import type { LogChunk } from "../../../scheduler/log-store.ts";
import { readableLines } from "./disk.ts";
import type { Mutant } from "./mutant.ts";
import { noMutant } from "./mutant.ts";
import {
  asRunning,
  changed,
  deafTo,
  early,
  endedAtOnce,
  fenceless,
  firstOnly,
  following,
  heard,
  hearsItself,
  keepHeld,
  newerAttempt,
  ofOneLife,
  sweptAtOnce,
  unnumbered,
  withCell,
  withFirstDevice,
} from "./mutations.ts";
import { clusterName } from "./setting.ts";

type Change = Omit<Partial<Mutant>, "name" | "breaks">;

export const mutants: readonly (() => Mutant)[] = [
  mutant("a submission is acknowledged before its commit", "what was promised is on disk", () => ({
    store: (store) => early(store, ({ puts }) => puts.some(({ key }) => key.endsWith("/spec"))),
  })),
  mutant("orders leave before their commit", "no effect for a state that is not saved", () => ({
    store: (store) => early(store, ({ puts }) => puts.some(({ key }) => key.endsWith("/state"))),
  })),
  mutant("a commit that failed counts as done", "what was promised is on disk", () => ({
    // Nobody hears of it: that is the bug.
    store: (store) => ({ ...store, commit: (batch) => store.commit(batch).catch(() => {}) }),
  })),
  mutant("a torn commit is taken for a whole one", "all of a commit or nothing of it", () => ({
    recover: readableLines,
  })),
  mutant("the end of a job is written over", "the first terminal state stays", () => ({
    store: (store) => ({
      ...store,
      read: async (prefix) => (await store.read(prefix)).map(endedOtherwise),
      range: async (range) => (await store.range(range)).map(endedOtherwise),
    }),
  })),
  mutant("a new head has forgotten the idempotency keys", "a retried submit is one job", () => ({
    store: (store) => ({
      ...store,
      read: async (prefix) =>
        (await store.read(prefix)).filter(({ key }) => !key.startsWith(`${clusterName}/key/`)),
    }),
  })),
  mutant("a new agent neither sees nor respects a claim", "a rank is started at most once", () => ({
    process: (port) => ({
      ...port,
      inventory: async () => [],
      prepare: (spec) =>
        port.prepare(spec).catch(() => port.prepare({ ...spec, dir: `/again${spec.dir}` })),
    }),
  })),
  mutant("there is no barrier", "no rank goes before all stand ready", () => ({
    headBus: (bus) =>
      changed(bus, (message) =>
        message.kind === "prepare"
          ? { ...message, spec: { ...message.spec, goWhenReady: true } }
          : message,
      ),
  })),
  mutant("every job is told the first device", "a device belongs to one job", () => ({
    headBus: (bus) => changed(bus, withFirstDevice),
  })),
  mutant("what a job held is never released", "the ledger is that of the living", () => {
    const kept = new Set<number>();
    return { observe: (state) => keepHeld(state, kept) };
  }),
  mutant("a lost node proves that its ranks are dead", "no fence: old and new together", () =>
    fenceless(),
  ),
  mutant("what was told to stop counts as swept", "a cancel is proven", () => sweptAtOnce()),
  mutant("a sweep looks at nothing and proves all", "a cancel is proven", () => ({
    process: (port) => ({
      ...port,
      sweep: async () => ({ found: 0, killed: 0, survivors: 0, unproven: [] }),
    }),
  })),
  mutant("a survivor is counted as none", "a sweep is repeated while it sees one", () => ({
    process: (port) => ({
      ...port,
      sweep: async (dir) => ({ ...(await port.sweep(dir)), survivors: 0 }),
    }),
  })),
  mutant("a gang ends with its first failure", "a gang ends as a whole", () => ({
    begin: () =>
      withCell("gang", ["running", "rank-exited"], (state, event, decide) =>
        endedAtOnce(decide(state, event)),
      ),
  })),
  mutant("a timeout is not watched", "a timeout ends what goes on", () => ({
    begin: () => withCell("gang", ["running", "timeout-passed"], (state) => [state, []]),
  })),
  mutant("each head counts timeouts anew", "an attempt's time goes on without a head", () => ({
    store: (store) => ({
      ...store,
      read: async (prefix) => (await store.read(prefix)).map(begunLater),
    }),
  })),
  mutant("what timed out is over at once", "a gang ends as a whole", () => ({
    begin: () =>
      withCell("gang", ["running", "timeout-passed"], (state, event, decide) =>
        endedAtOnce(decide(state, event)),
      ),
  })),
  mutant("a stop is said once", "no message needs to arrive", () => ({
    headBus: firstOnly(["stop"]),
  })),
  mutant("a go is said once", "no message needs to arrive", () => ({ headBus: firstOnly(["go"]) })),
  mutant("an exit is said once, and no inventory tells", "no message needs to arrive", () => ({
    nodeBus: (bus) =>
      firstOnly(["rank-exited"])(
        changed(bus, (message) =>
          message.kind === "inventory"
            ? { ...message, ranks: message.ranks.map(asRunning) }
            : message,
        ),
      ),
  })),
  mutant("inventories are not read", "what is so counts, not what was said", () => ({
    headBus: deafTo(["inventory"]),
  })),
  mutant("an acknowledgement is never heard", "what is over is forgotten", () => ({
    nodeBus: deafTo(["acknowledge"]),
  })),
  mutant("late messages are taken like any other", "an order counts once, in its turn", () => ({
    headBus: unnumbered,
    nodeBus: unnumbered,
  })),
  mutant("late replies of an earlier head are taken", "an earlier life is over", () => ({
    headBus: ofOneLife,
    nodeBus: ofOneLife,
  })),
  mutant("an exit counts for the next attempt too", "an attempt has its own end", () => ({
    headBus: (bus) => heard(bus, newerAttempt),
  })),
  mutant("a bus outage counts as the loss of nodes", "only a node's own silence counts", () => ({
    headBus: hearsItself,
  })),
  mutant("what a full mailbox refuses is lost", "an end is told until it is taken", () => ({
    nodeSystem: (system) => ({
      ...system,
      tell: (to, message) => {
        try {
          system.tell(to, message);
        } catch {
          // Nobody says it again: that is the bug.
        }
      },
    }),
  })),
  mutant("autostop knows only of jobs to come", "a busy cluster is not stopped", () => ({
    begin: () =>
      withCell("autostop", ["off", "armed"], (state, event, decide) =>
        decide({ ...state, running: 0 }, event),
      ),
  })),
  mutant("the head says one byte less than it has", "each byte of a log is kept once", () => ({
    logDisk: (disk) => ({
      ...disk,
      size: async (path) => Math.max(0, (await disk.size(path)) - 1),
    }),
  })),
  mutant("a log that was written counts as safe", "what is safe survives the power", () => ({
    logDisk: (disk) => ({
      ...disk,
      open: async (path) => ({ ...(await disk.open(path)), datasync: async () => {} }),
    }),
  })),
  mutant("a follower is given a piece twice", "each byte of a log is read once", () => ({
    logStore: (logs) => following(logs, doubled),
  })),
  mutant("a log ends before its last byte", "a log is followed to its end", () => ({
    logStore: (logs) => following(logs, withoutLastByte),
  })),
];

function mutant(name: string, breaks: string, make: () => Change): () => Mutant {
  return () => ({ ...noMutant, ...make(), name, breaks });
}

/** In the future, so that no time seems to have passed. */
function begunLater({ key, value }: StoreRecord): StoreRecord {
  const later = /("begunAt":\{"wallMs":\d+,"monoMs":)\d+/g;
  return { key, value: value.replace(later, `$1${1e12}`) };
}

function endedOtherwise({ key, value }: StoreRecord): StoreRecord {
  return { key, value: value.replace('"all-ranks-exited-0"', '"nothing-to-run"') };
}

async function* doubled(pieces: AsyncIterable<LogChunk>): AsyncGenerator<LogChunk> {
  for await (const piece of pieces) {
    yield piece;
    yield piece;
  }
}

async function* withoutLastByte(pieces: AsyncIterable<LogChunk>): AsyncGenerator<LogChunk> {
  for await (const { offset, bytes } of pieces) {
    yield { offset, bytes: bytes.subarray(0, -1) };
    return;
  }
}
