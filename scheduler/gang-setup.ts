// The gang's moves while its setup runs on its nodes, up to the barrier of its ranks.
//
// As in `gang-moves.ts`, one function for each cell of the table.

import type { Exit, RankKey } from "../model/job.ts";
import { isLeaseOver, isSuccess } from "./exit-text.ts";
import { conclude, nothingToRun } from "./gang-drain.ts";
import { goAgain } from "./gang-lease.ts";
import { fail, lost, open, restarted } from "./gang-moves.ts";
import type { Next, On } from "./gang-parts.ts";
import {
  acknowledge,
  failure,
  mark,
  markExit,
  markReady,
  note,
  setupFailure,
  toAll,
} from "./gang-parts.ts";
import type { GangEffect, SettingUp } from "./gang-state.ts";
import { processOf } from "./gang-state.ts";

export function preparedAfterSetup(state: SettingUp, event: On<"rank-prepared">): Next {
  const { key, at } = event;
  // The setup was told to go already.
  if (key.phase === "setup") return goAgain(state, event);
  if (state.stage === "setup") return [state, []];
  const next = markReady(state, event);
  return next.ranks.every(({ ready }) => ready) ? open(next, at) : [next, []];
}

export function setupExited(state: SettingUp, event: On<"setup-exited">): Next {
  const { key, exit, at } = event;
  if (processOf(state, key)?.exit !== undefined) return [state, []];
  const next = markExit(state, event);
  if (isSuccess(exit)) return afterSetup(next, at.wallMs, [acknowledge(next, key)]);
  if (isLeaseOver(exit)) {
    return fail(next, failure(next, key, exit), { why: "peer-failed", wallMs: at.wallMs });
  }
  const reason = setupFailure(next, key.index);
  return fail(next, reason, { why: "peer-failed", wallMs: at.wallMs });
}

/** Goes on to the barrier once every setup is done. */
function afterSetup(state: SettingUp, wallMs: number, effects: readonly GangEffect[]): Next {
  const done = state.setups.every(({ exit, swept }) => isSuccess(exit) || swept);
  if (!done || state.stage === "barrier") return [state, effects];
  if (!state.terms.hasRun)
    return conclude(state, { reason: nothingToRun, endedAt: wallMs, effects });
  const ranks = state.ranks.map((rank) => ({ ...rank, asked: true }));
  const next: SettingUp = { ...state, stage: "barrier", ranks };
  return [
    next,
    [
      ...effects,
      ...toAll("prepare", next, "run"),
      { kind: "start-deadline", name: "prepare" },
      note({ actor: "scheduler", kind: "setup-done", cause: doneText(state) }),
    ],
  ];
}

function doneText({ terms }: SettingUp): string {
  return terms.hasSetup ? "setup exited with 0 on every node" : "files are on every node";
}

export function lostInSetup(state: SettingUp, event: On<"node-lost">): Next {
  if (state.ranks.some(({ node }) => node === event.node)) return lost(state, event);
  return withoutSetupOn(state, event.node, event.at.wallMs);
}

export function restartedInSetup(state: SettingUp, event: On<"node-restarted">): Next {
  if (state.ranks.some(({ node }) => node === event.node)) return restarted(state, event);
  return withoutSetupOn(state, event.node, event.at.wallMs);
}

/** A node on which no rank will run does not hold up the others. */
function withoutSetupOn(state: SettingUp, node: string, wallMs: number): Next {
  const gone = state.setups.find((setup) => setup.node === node && setup.exit === undefined);
  if (gone === undefined) return [state, []];
  const key: RankKey = {
    job: state.terms.job,
    attempt: state.attempt,
    phase: "setup",
    index: gone.rank,
  };
  const exit: Exit = { kind: "stopped", why: "node-lost" };
  const next = mark(state, key, { exit, endedAt: wallMs, swept: true });
  return afterSetup(next, wallMs, [{ kind: "haunt", node, key }]);
}
