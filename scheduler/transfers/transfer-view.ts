// A transfer as people see it, from its record and its counts. Pure.

import type {
  ObjectFailure,
  TransferCounts,
  TransferStatus,
  TransferView,
} from "../../model/transfer.ts";
import type { TransferState } from "../../transfer/job/transfer-machine.ts";
import { transferPathText } from "../../transfer/stores/paths.ts";

/** What is known beside the record, while it runs. */
export interface Lively {
  readonly counts: TransferCounts;
  readonly cost: number;
  readonly failures: readonly ObjectFailure[];
}

export const noCounts: TransferCounts = {
  ...{ listed: 0, listedBytes: 0, isListed: false, done: 0, doneBytes: 0, movingBytes: 0 },
  ...{ skipped: 0, failed: 0, deleted: 0, retries: 0, rounds: 0 },
};

export function viewOf(state: TransferState, lively: Lively): TransferView {
  const { id, order, submittedAt, startedAt, plan, rounds, why } = state.facts;
  const isEnded = state.phase === "ended";
  const counts = { ...(isEnded ? state.counts : lively.counts), rounds };
  return {
    ...{ id, status: statusOf(state), verb: order.verb, submittedAt, counts },
    source: transferPathText(order.source),
    destinations: order.destinations.map(transferPathText),
    ...{ user: order.user, command: order.command, failures: lively.failures },
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(isEnded ? { endedAt: state.endedAt } : {}),
    why: isEnded ? state.end.why : why,
    ...(plan === undefined ? {} : { plan }),
    cost: isEnded ? state.cost : lively.cost,
  };
}

export function statusOf(state: TransferState): TransferStatus {
  switch (state.phase) {
    case "pending":
      return "PENDING";
    case "moving":
      return "RUNNING";
    case "waiting":
      return state.facts.startedAt === undefined ? "PENDING" : "RUNNING";
    case "finishing":
      return "FINISHING";
    case "ended":
      return { succeeded: "SUCCEEDED", failed: "FAILED", cancelled: "CANCELLED" }[
        state.end.outcome
      ] as TransferStatus;
  }
}
