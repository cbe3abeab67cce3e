// The gang: one job's ranks as a unit, from the queue to the end. The full table.
//
//   queued → preparing → (setting-up) → starting → running → draining → ended
//
// `preparing`: nodes are held and the first processes (the setup's if there is one, else the
// ranks) are asked to stand ready. `setting-up`: setup runs on every node; when all of it is done
// the ranks are asked to stand ready. `starting`: every rank stood ready, so all were told to go.
// `draining`: something must be stopped, and every node must say that nothing is left. Placing
// happens inside a turn of the scheduler and is the event `placed`.
//
// What must always hold: no `go` before every rank stands ready (a single rank without setup is its
// own barrier); a gang that has ended takes nothing, so its first outcome wins; a new attempt
// begins only when no process of the old one can run any more: by its node's word, or because its
// lease is over (`model/lease.ts`).

import type { Table } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";
import * as drained from "./gang-drain.ts";
import * as leased from "./gang-lease.ts";
import * as on from "./gang-moves.ts";
import * as setup from "./gang-setup.ts";
import type { GangEffect, GangEvent, GangState } from "./gang-state.ts";
import * as timed from "./gang-timeout.ts";

export const gangTable: Table<GangState, GangEvent, GangEffect> = {
  queued: {
    placed: on.seated,
    "rank-prepared": "ignore",
    "rank-refused": "ignore",
    "rank-started": "ignore",
    "rank-exited": "ignore",
    "setup-exited": "ignore",
    "rank-swept": "ignore",
    "node-lost": "ignore",
    "node-restarted": "ignore",
    "lease-over": "ignore",
    "cancel-requested": on.endedWhileQueued,
    "cluster-closed": on.endedWhileQueued,
    "deadline-passed": "ignore",
    "timeout-passed": "ignore",
  },
  preparing: {
    placed: "reject",
    "rank-prepared": on.preparedFirst,
    "rank-refused": on.refused,
    "rank-started": on.startedAtOnce,
    "rank-exited": on.exitedWhilePreparing,
    "setup-exited": on.diedAtBarrier,
    "rank-swept": "ignore",
    "node-lost": on.lostWhilePreparing,
    "node-restarted": on.restartedWhilePreparing,
    "lease-over": "ignore",
    "cancel-requested": on.stopped,
    "cluster-closed": on.stopped,
    "deadline-passed": on.notReadyInTime,
    "timeout-passed": "ignore",
  },
  "setting-up": {
    placed: "reject",
    "rank-prepared": setup.preparedAfterSetup,
    "rank-refused": on.refusedAfterSetup,
    "rank-started": on.started,
    "rank-exited": on.diedAtBarrier,
    "setup-exited": setup.setupExited,
    "rank-swept": "ignore",
    "node-lost": setup.lostInSetup,
    "node-restarted": setup.restartedInSetup,
    "lease-over": "ignore",
    "cancel-requested": on.stopped,
    "cluster-closed": on.stopped,
    "deadline-passed": on.notReadyInTime,
    "timeout-passed": timed.out,
  },
  starting: {
    placed: "reject",
    "rank-prepared": leased.goAgain,
    "rank-refused": drained.neverStarted,
    "rank-started": on.started,
    "rank-exited": on.exited,
    "setup-exited": "ignore",
    "rank-swept": "ignore",
    "node-lost": on.lost,
    "node-restarted": on.restarted,
    "lease-over": "ignore",
    "cancel-requested": on.stopped,
    "cluster-closed": on.stopped,
    "deadline-passed": "ignore",
    "timeout-passed": timed.out,
  },
  running: {
    placed: "reject",
    "rank-prepared": "ignore",
    "rank-refused": "ignore",
    "rank-started": on.started,
    "rank-exited": on.exited,
    "setup-exited": "ignore",
    "rank-swept": "ignore",
    "node-lost": on.lost,
    "node-restarted": on.restarted,
    "lease-over": "ignore",
    "cancel-requested": on.stopped,
    "cluster-closed": on.stopped,
    "deadline-passed": "ignore",
    "timeout-passed": timed.out,
  },
  draining: {
    placed: "reject",
    "rank-prepared": "ignore",
    "rank-refused": "ignore",
    "rank-started": drained.startedWhileDraining,
    "rank-exited": drained.exitedWhileDraining,
    "setup-exited": drained.exitedWhileDraining,
    "rank-swept": drained.swept,
    "node-lost": drained.lostWhileDraining,
    "node-restarted": drained.restartedWhileDraining,
    "lease-over": leased.leaseOver,
    "cancel-requested": drained.endedWhileDraining,
    "cluster-closed": drained.endedWhileDraining,
    "deadline-passed": drained.notSweptInTime,
    "timeout-passed": "ignore",
  },
  ended: {
    placed: "reject",
    "rank-prepared": "ignore",
    "rank-refused": "ignore",
    "rank-started": "ignore",
    "rank-exited": "ignore",
    "setup-exited": "ignore",
    "rank-swept": "ignore",
    "node-lost": "ignore",
    "node-restarted": "ignore",
    "lease-over": "ignore",
    "cancel-requested": "ignore",
    "cluster-closed": "ignore",
    "deadline-passed": "ignore",
    "timeout-passed": "ignore",
  },
};

export const stepGang = machine<GangState, GangEvent, GangEffect>(gangTable);
