// The calls of `Sky` as functions, for who comes from `import sky`: they share one `Sky`, made with
// the first of them, for the home and the user of the environment.
//
//   import * as sky from "skylet";
//   await sky.launch({ run: "hostname" }, { cluster: "demo" });

import { Sky } from "./sky-os.ts";

let shared: Sky | undefined;

export const launch = call("launch");
export const dryrun = call("dryrun");
export const optimize = call("optimize");
export const exec = call("exec");
export const submitMany = call("submitMany");
export const status = call("status");
export const costReport = call("costReport");
export const start = call("start");
export const stop = call("stop");
export const down = call("down");
export const autostop = call("autostop");
export const queue = call("queue");
export const jobStatus = call("jobStatus");
export const wait = call("wait");
export const cancel = call("cancel");
export const logs = call("logs");
export const tailLogs = call("tailLogs");
export const downloadLogs = call("downloadLogs");
export const copy = call("copy");
export const sync = call("sync");
export const planTransfer = call("planTransfer");
export const transfers = call("transfers");
export const transfer = call("transfer");
export const transferFailures = call("transferFailures");
export const watchTransfer = call("watchTransfer");
export const resumeTransfer = call("resumeTransfer");
export const cancelTransfer = call("cancelTransfer");
export const profile = call("profile");
export const why = call("why");
export const events = call("events");

/** The method of that name, of the shared `Sky`. */
function call<K extends Exclude<keyof Sky, "close">>(name: K): Sky[K] {
  const method = (...args: readonly never[]): unknown => {
    shared ??= new Sky();
    const bound: (...all: readonly never[]) => unknown = shared[name].bind(shared);
    return bound(...args);
  };
  return method as Sky[K];
}
