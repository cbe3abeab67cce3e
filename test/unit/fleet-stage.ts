// One cluster on a memory cloud, through the production fleet actors, with a clock that is moved by
// hand: what users ask of a cluster and what they are told.

import type { Cloud } from "../../clouds/cloud.ts";
import {
  createMemoryCloud,
  type MemoryCloud,
  type MemoryCloudOptions,
} from "../../clouds/cloud-memory.ts";
import type { ClusterRecord, NewCluster } from "../../clouds/cluster-record.ts";
import type { HeadsPort } from "../../clouds/fleet-actor.ts";
import { createFleets, type Fleets } from "../../clouds/fleets-actor.ts";
import { homeCluster } from "../../clouds/home-records.ts";
import { headNode } from "../../model/address.ts";
import { errorText } from "../../model/errors.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMemoryDisk, createMemoryStore } from "../../runtime/store-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";

export interface StageOptions extends MemoryCloudOptions {
  readonly goneMax?: number;
  /** What a head answers when it is asked to end its jobs. */
  readonly closeHead?: () => Promise<void>;
}

export interface Stage {
  readonly cloud: MemoryCloud;
  /** What the heads were asked to do. */
  readonly asked: string[];
  fleets(): Fleets;
  record(): ClusterRecord;
  /** Lets time pass; nodes whose machines are up are alive unless they are silent. */
  pass(ms: number): Promise<void>;
  silence(node: string): void;
  /** A new head on the same disk. */
  restart(): Promise<void>;
}

const stepMs = 500;

export async function stage(options: StageOptions = {}): Promise<Stage> {
  const { goneMax, closeHead, ...ofCloud } = options;
  const cloud = createMemoryCloud(ofCloud);
  const clock = createMemoryClock();
  const disk = createMemoryDisk();
  const asked: string[] = [];
  const silent = new Set<string>();
  let fleets: Fleets | undefined;
  let closeLast = async (): Promise<void> => {};
  let lives = 0;

  const start = async (): Promise<void> => {
    await closeLast();
    lives += 1;
    const store = createMemoryStore({ disk });
    const bus = createBusHub().connect(headNode, { publish: [">"], subscribe: [">"] });
    const about = { cluster: homeCluster, node: headNode, incarnation: lives };
    const system = createSystem({ ...about, clock, bus, store, log: silentLog });
    closeLast = () => system.close("the head ends");
    const ports = { cloud: (): Cloud => cloud, heads: headsOf(asked, closeHead) };
    fleets = createFleets({ system, store, ports, ...(goneMax === undefined ? {} : { goneMax }) });
    await fleets.restore();
    await settle();
  };
  const known = (): Fleets => {
    if (fleets === undefined) throw new Error("it has not started");
    return fleets;
  };
  const tellAlive = (): void => {
    const up = cloud.machines().filter(({ phase, node }) => phase === "up" && !silent.has(node));
    if (known().record("demo") === undefined) return;
    known().alive("demo", [...new Set(up.map(({ node }) => node))]);
  };
  await start();
  return {
    ...{ cloud, asked, restart: start },
    fleets: known,
    record: () => {
      const record = known().record("demo");
      if (record === undefined) throw new Error("there is no such cluster");
      return record;
    },
    pass: async (ms) => {
      await settle();
      for (let left = ms; left > 0; left -= stepMs) {
        await clock.pass(Math.min(left, stepMs), settle);
        tellAlive();
        await settle();
      }
    },
    silence: (node) => {
      silent.add(node);
      tellAlive();
    },
  };
}

function headsOf(asked: string[], closeHead: StageOptions["closeHead"]): HeadsPort {
  const note = async (what: string): Promise<void> => {
    asked.push(what);
  };
  return {
    open: () => note("open"),
    declare: () => {},
    dismiss: () => {},
    close: async () => {
      await note("close");
      await closeHead?.();
    },
    disarm: () => note("disarm"),
    clear: async () => {
      await note("clear");
      return { logsArchive: "/logs" };
    },
  };
}

export const never = new AbortController().signal;

export function request(change: Partial<NewCluster> = {}): NewCluster {
  return {
    ...{ name: "demo", numNodes: 2, asked: {}, cloud: "memory", isolation: "embedded" },
    capacity: { cpus: 1, memoryBytes: 1_000, accelerators: [] },
    ...{ token: "t", command: "sky launch", user: "ada" },
    ...change,
  };
}

/** What became of something that was asked for: `UP`, or the text of the refusal. */
export interface Told<T> {
  readonly outcome: () => T | string | undefined;
}

export function watched<T>(work: Promise<T>): Told<T> {
  let outcome: T | string | undefined;
  work.then(
    (value) => {
      outcome = value;
    },
    (error: unknown) => {
      outcome = errorText(error);
    },
  );
  return { outcome: () => outcome };
}

/** A cluster that is up. */
export async function launched(options: StageOptions = {}): Promise<Stage> {
  const made = await stage(options);
  void made.fleets().launch(request(), never);
  await made.pass(3_000);
  return made;
}

async function settle(): Promise<void> {
  for (let round = 0; round < 4; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
