// What the scheduler actor (`scheduler/main` on node `skyhead`) takes and answers.
//
// Agents, liveness, the fleet and the API all meet in this one mailbox: what must change together
// is one turn and one commit. Reads do not come here: they are served from the board
// (`scheduler/board.ts`), which holds committed state only.

import type { Ref } from "../model/address.ts";
import type { Node, NodePhase } from "../model/node.ts";
import type { Task } from "../model/task.ts";
import type { MountTree, TreeRef } from "../model/tree.ts";
import type { AgentReport } from "../proto/messages.ts";

export type SchedulerMessage = AgentReport | NodeReport | ApiRequest | SchedulerTimer;

/** From liveness and from the fleet. */
export type NodeReport =
  | {
      readonly kind: "node-phase-changed";
      readonly node: string;
      readonly phase: NodePhase;
      /** For `sky why`: "missed 10 beats in 10.0 s". */
      readonly evidence: string;
      /** When it was last heard, on the head's monotonic clock. */
      readonly heardAt?: number;
    }
  /** It may join, and speaks no wire version of ours. */
  | { readonly kind: "node-misfit"; readonly node: string; readonly why: string }
  /** Nothing was heard of this lost node, and nothing confirmed to it, for so long until then. */
  | {
      readonly kind: "node-silent";
      readonly node: string;
      readonly ms: number;
      readonly untilMonoMs: number;
    }
  /** The cluster's nodes in their stable order, head first, with their declared capacities. */
  | { readonly kind: "nodes-declared"; readonly nodes: readonly Node[] };

export type ApiRequest =
  | {
      readonly kind: "submit";
      readonly tasks: readonly Task[];
      /**
       * Per task: where a copy of its workdir is for nodes that need one. Same length as `tasks`.
       */
      readonly workdirs: readonly (string | undefined)[];
      /** The same workdirs as trees; absent in histories of earlier versions. */
      readonly trees?: readonly (TreeRef | undefined)[];
      /** Per task; absent if no task has any. */
      readonly mounts?: readonly (readonly MountTree[])[];
      readonly idempotencyKey: string;
      readonly user: string;
      readonly noSetup: boolean;
      /** Files go to all nodes. Absent in histories of earlier versions. */
      readonly allNodes?: boolean;
      readonly autostop?: AutostopSetting;
      readonly replyTo: Ref<SubmitReply>;
    }
  | {
      readonly kind: "cancel";
      /** Ids of jobs that are the user's, or all that are. */
      readonly jobs: readonly number[] | "all";
      readonly user: string;
      /** Answered when all of them have ended. */
      readonly replyTo: Ref<CancelReply>;
    }
  | {
      readonly kind: "set-autostop";
      /** `undefined` cancels. */
      readonly setting: AutostopSetting | undefined;
      readonly replyTo: Ref<Done>;
    }
  /** Takes no more jobs and ends all that have not ended, with reason `cluster-stopped`. */
  | { readonly kind: "close"; readonly verb: "stopped" | "terminated"; readonly replyTo: Ref<Done> }
  /** Takes jobs again. Restarts the idle timer. */
  | { readonly kind: "open" }
  /** So many submits are under way: the cluster is not idle until they are jobs. */
  | { readonly kind: "submits-held"; readonly count: number }
  /** So many channels of transfers lead to its nodes: the cluster is not idle until they end. */
  | { readonly kind: "transfers-held"; readonly count: number }
  /** The head has every byte of this job's logs; its directories on the nodes may go. */
  | {
      readonly kind: "logs-complete";
      readonly job: number;
      readonly attempt: number;
      /** How much that is. */
      readonly bytes?: number;
    };

export interface AutostopSetting {
  readonly idleMs: number;
  readonly verb: "stop" | "down";
}

/** The scheduler's own timers. */
export type SchedulerTimer =
  | {
      readonly kind: "job-deadline";
      readonly job: number;
      readonly attempt: number;
      readonly name: string;
    }
  | { readonly kind: "retry-due"; readonly job: number }
  /** The attempt has taken as long as its task may. */
  | { readonly kind: "timeout-due"; readonly job: number; readonly attempt: number }
  | { readonly kind: "autostop-due" }
  /** More jobs can be settled than one turn takes. */
  | { readonly kind: "settle-due" }
  /** Repeats what transitional jobs still wait for (messages may have been lost). */
  | { readonly kind: "reconcile-due" };

export type SubmitReply =
  | { readonly kind: "submitted"; readonly jobs: readonly number[] }
  /**
   * Nothing was taken. No id was used either, unless there were secrets and the vault failed, or
   * the cluster closed meanwhile. `code` is an error code of `model/errors.ts`.
   */
  | {
      readonly kind: "refused";
      readonly code:
        | "task/too-big"
        | "cluster/not-up"
        | "store/failed"
        | "disk/full"
        | "request/invalid";
      readonly params: Readonly<Record<string, string>>;
    };

export interface CancelReply {
  readonly kind: "cancelled";
  /** Those that this request brought to CANCELLED. */
  readonly jobs: readonly number[];
  readonly unknown: readonly number[];
}

export interface Done {
  readonly kind: "done";
}
