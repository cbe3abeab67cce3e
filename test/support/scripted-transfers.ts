// Transfers that follow a script: what is previewed, what watchers hear, what failed. They keep
// what was asked of them, so that a test can tell what reached the head.

import { SkyError } from "../../model/errors.ts";
import type {
  ObjectFailure,
  ProfiledLink,
  TransferCounts,
  TransferEvent,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../../model/transfer.ts";
import { isEnded } from "../../model/transfer.ts";
import type { Plan } from "../../model/transfer-plan.ts";
import type { TransferCall, Transfers } from "../../scheduler/transfers/transfers.ts";

export interface Script {
  readonly preview?: TransferPreview | SkyError;
  /** On record from the beginning; the newest first. */
  readonly views?: readonly TransferView[];
  /** What a watcher hears, whatever it watches; each watcher in turn gets the next of these. */
  readonly events?: readonly (readonly TransferEvent[])[];
  readonly failures?: readonly ObjectFailure[];
  readonly links?: readonly ProfiledLink[];
}

export interface Asked {
  readonly orders: TransferOrder[];
  readonly environments: Readonly<Record<string, string>>[];
  readonly cancelled: number[];
  readonly resumed: number[];
  readonly profiled: { readonly clusters?: readonly string[]; readonly seconds?: number }[];
  previews: number;
}

type Served = Omit<Transfers, "restore" | "running" | "close">;

export function scriptedTransfers(script: Script): { transfers: Served; asked: Asked } {
  const asked: Asked = {
    ...{ orders: [], environments: [], cancelled: [], resumed: [], profiled: [] },
    previews: 0,
  };
  const { preview = somePreview, views = [], events = [], failures = [], links = [] } = script;
  let watched = 0;
  const find = (id: number): TransferView => {
    const found = views.find((view) => view.id === id);
    if (found === undefined) throw new SkyError("transfer/not-found", { id });
    return found;
  };
  const note = ({ env = {} }: TransferCall) => void asked.environments.push(env);
  const transfers: Served = {
    preview: async (_, call) => {
      note(call);
      asked.previews += 1;
      if (preview instanceof SkyError) throw preview;
      return preview;
    },
    start: async (order, call) => {
      note(call);
      asked.orders.push(order);
      return 7;
    },
    list: () => views,
    get: (id) => views.find((view) => view.id === id),
    failures: async (id, { after, countMax }) => {
      find(id);
      return failures.slice(after, after + countMax);
    },
    watch: async function* () {
      const heard = events[Math.min(watched, events.length - 1)] ?? [];
      watched += 1;
      yield* heard;
      const last = heard.findLast((event) => event.kind === "state");
      const ended = last?.kind === "state" && isEnded(last.view.status);
      if (!ended) throw new SkyError("head/unreachable", { why: "the script ends here" });
    },
    cancel: async (id) => void asked.cancelled.push(id),
    resume: async (id, _, call) => {
      note(call);
      asked.resumed.push(id);
      return id + 1;
    },
    profile: async function* (request) {
      asked.profiled.push(request);
      yield* links;
    },
  };
  return { transfers, asked };
}

/** A transfer of two objects from this machine to a bucket. */
export function viewOf(over: Partial<TransferView> = {}): TransferView {
  return {
    ...{ id: 7, status: "RUNNING", verb: "copy", source: "/data" },
    destinations: ["s3://bucket/data"],
    ...{ user: "ann", command: "sky cp -r /data s3://bucket/data", submittedAt: 1_000 },
    ...{ startedAt: 2_000, counts: countsOf(), why: "objects are moving", failures: [], cost: 0 },
    ...over,
  };
}

export function countsOf(over: Partial<TransferCounts> = {}): TransferCounts {
  return {
    ...{ listed: 2, listedBytes: 3_000, isListed: true, done: 0, doneBytes: 0, movingBytes: 0 },
    ...{ skipped: 0, failed: 0, deleted: 0, retries: 0, rounds: 1 },
    ...over,
  };
}

export function planOf(over: Partial<Plan> = {}): Plan {
  return {
    ...{ solver: "direct", source: "home/this-machine", destinations: ["aws:us-east-1"] },
    sites: [{ id: "home/this-machine", gateways: 1 }],
    edges: [
      {
        ...{
          from: "home/this-machine",
          to: "aws:us-east-1",
          gbps: 0.8,
          connections: 32,
          pricePerGb: 0,
        },
        stripes: [0],
      },
    ],
    ...{ stripes: 1, gbps: 0.8, pricePerGb: 0, cost: 0, seconds: 12, notes: [] },
    ...over,
  };
}

const somePreview: TransferPreview = {
  plan: planOf(),
  ...{ objects: 2, bytes: 3_000, isPart: false, deletes: 0, failed: 0, notes: [] },
  sample: [
    { from: "/data/a", to: "s3://bucket/data/a", bytes: 1_000 },
    { from: "/data/b", to: "s3://bucket/data/b", bytes: 2_000 },
  ],
};
