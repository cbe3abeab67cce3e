// The names of options, for programs without types: one that nobody knows is refused, because what
// it was to prevent (a cluster that runs on, a launch that was to be dry) would happen in silence.
//
// Who comes from SkyPilot writes `idle_minutes_to_autostop`, or the cluster's name as a second
// argument: both are told what it is here.

import { SkyError } from "../model/errors.ts";
import { hintText } from "../model/suggest.ts";
import type * as o from "./sky-options.ts";

/** Every name, so that a new option without its row does not compile. */
type Names<T> = Readonly<Record<keyof T, true>>;

const call: Names<o.CallOptions> = { signal: true };
const idle: Names<o.IdleOptions> = { idleMinutes: true, idleSeconds: true, down: true };
const submit: Names<o.SubmitOptions> = { ...call, idempotencyKey: true };
const follow: Names<o.FollowOptions> = { detachRun: true, detachSetup: true, streamLogs: true };
const shape: Names<o.PlanOptions> = {
  ...{ cluster: true, numNodes: true, cpus: true, memory: true },
  ...{ accelerators: true, cloud: true, region: true },
};
const start: Names<o.StartOptions> = {
  ...{ ...call, ...idle, retryUntilUp: true, force: true, onProgress: true },
};
const launch: Names<o.LaunchOptions & o.DryOption> = {
  ...{ ...submit, ...idle, ...follow, ...shape, dryrun: true },
  ...{ isolation: true, retryUntilUp: true, noSetup: true, onProgress: true },
  trustedHostKeys: true,
};
const tail: Names<o.TailOptions> = { ...call, follow: true, rank: true, tail: true, write: true };

const copy: Names<o.CopyOptions> = {
  ...{ ...call, idempotencyKey: true, recursive: true, solver: true, gbps: true },
  ...{ pricePerGb: true, costMax: true, instancesMax: true, connections: true },
  ...{ multipart: true, multipartBytes: true, verify: true, bandwidth: true },
  ...{ requesterPays: true, compress: true, profile: true, filters: true, via: true },
  ...{ endpoint: true, region: true, sourceEndpoint: true, sourceRegion: true },
};
const sync: Names<o.SyncOptions> = { ...copy, delete: true, compare: true };

const tables = {
  ...{ copy, sync },
  planTransfer: { ...sync, verb: true } satisfies Names<o.PlanTransferOptions>,
  profile: { ...call, seconds: true } satisfies Names<o.ProfileOptions>,
  transfers: {
    ...{ ...call, skipFinished: true, allUsers: true },
  } satisfies Names<o.TransfersOptions>,
  launch,
  start,
  submitMany: submit,
  optimize: shape,
  exec: { ...submit, ...follow, cluster: true } satisfies Names<o.ExecOptions>,
  status: { ...call, refresh: true } satisfies Names<o.StatusOptions>,
  autostop: { ...call, ...idle } satisfies Names<o.AutostopOptions>,
  down: { ...call, purge: true } satisfies Names<o.DownOptions>,
  queue: { ...call, skipFinished: true, allUsers: true } satisfies Names<o.QueueOptions>,
  tailLogs: tail,
  downloadLogs: { ...call, localDir: true } satisfies Names<o.DownloadOptions>,
};

/** What SkyPilot calls them, where that is not the same in another case. */
const formerNames: Readonly<Record<string, string>> = {
  cluster_name: "cluster",
  idle_minutes_to_autostop: "idleMinutes",
};

/** @throws SkyError `request/invalid`. */
export function demandKnown(of: keyof typeof tables, options: unknown): void {
  const known = Object.keys(tables[of]);
  if (typeof options !== "object" || options === null) {
    const shown = typeof options === "string" ? JSON.stringify(options) : String(options);
    const example = known.includes("cluster") ? '{ cluster: "demo" }' : `{ ${known.at(-1)}: … }`;
    throw invalid("options", `should be an object such as ${example}, not ${shown}`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const same =
    formerNames[unknown] ?? unknown.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase());
  const hint = known.includes(same) ? ` Did you mean '${same}'?` : hintText(unknown, known);
  throw invalid("options", `${JSON.stringify(unknown)} is no option of ${of}.${hint}`);
}

function invalid(field: string, why: string): SkyError {
  return new SkyError("request/invalid", { field, why });
}
