// The string unions of the model and the enums of the protos, paired.
//
// The protos' enums never leave `proto/`. Each table is total both ways by type: a word without a
// number, or a number (other than UNSPECIFIED) without a word, does not compile. A number that a
// newer peer sends and that has no word here is `codec/invalid`.

import type { ClusterStatus } from "../model/cluster.ts";
import { SkyError } from "../model/errors.ts";
import type { StopCause as Cause, JobStatus, RankKey } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import type { TransferOrder, TransferStatus } from "../model/transfer.ts";
import { sky } from "./gen/sky.js";
import type { RankReport } from "./messages.ts";

/** A union of words and an enum, both ways. */
export interface EnumPair<Word extends string, E extends number> {
  toProto(word: Word): E;
  /** @throws SkyError `codec/invalid` for UNSPECIFIED and for numbers of newer peers. */
  fromProto(value: E): Word;
}

const { ClusterStatus: Cluster, JobStatus: Job, NodePhase: Phase } = sky.v1;
const { RankPhase, RankReportPhase, StopCause } = sky.v1;
const { TransferStatus: Transfer, TransferVerb: Verb } = sky.v1;

export const rankPhases: EnumPair<RankKey["phase"], sky.v1.RankPhase> = pair(
  "RankPhase",
  { run: RankPhase.RANK_PHASE_RUN, setup: RankPhase.RANK_PHASE_SETUP },
  {
    [RankPhase.RANK_PHASE_UNSPECIFIED]: undefined,
    [RankPhase.RANK_PHASE_RUN]: "run",
    [RankPhase.RANK_PHASE_SETUP]: "setup",
  },
);

export const stopCauses: EnumPair<Cause, sky.v1.StopCause> = pair(
  "StopCause",
  {
    "peer-failed": StopCause.STOP_CAUSE_PEER_FAILED,
    cancelled: StopCause.STOP_CAUSE_CANCELLED,
    "node-lost": StopCause.STOP_CAUSE_NODE_LOST,
    "lease-expired": StopCause.STOP_CAUSE_LEASE_EXPIRED,
    "timed-out": StopCause.STOP_CAUSE_TIMED_OUT,
  },
  {
    [StopCause.STOP_CAUSE_UNSPECIFIED]: undefined,
    [StopCause.STOP_CAUSE_PEER_FAILED]: "peer-failed",
    [StopCause.STOP_CAUSE_CANCELLED]: "cancelled",
    [StopCause.STOP_CAUSE_NODE_LOST]: "node-lost",
    [StopCause.STOP_CAUSE_LEASE_EXPIRED]: "lease-expired",
    [StopCause.STOP_CAUSE_TIMED_OUT]: "timed-out",
  },
);

export const rankReportPhases: EnumPair<RankReport["phase"], sky.v1.RankReportPhase> = pair(
  "RankReportPhase",
  {
    preparing: RankReportPhase.RANK_REPORT_PHASE_PREPARING,
    ready: RankReportPhase.RANK_REPORT_PHASE_READY,
    running: RankReportPhase.RANK_REPORT_PHASE_RUNNING,
    exited: RankReportPhase.RANK_REPORT_PHASE_EXITED,
  },
  {
    [RankReportPhase.RANK_REPORT_PHASE_UNSPECIFIED]: undefined,
    [RankReportPhase.RANK_REPORT_PHASE_PREPARING]: "preparing",
    [RankReportPhase.RANK_REPORT_PHASE_READY]: "ready",
    [RankReportPhase.RANK_REPORT_PHASE_RUNNING]: "running",
    [RankReportPhase.RANK_REPORT_PHASE_EXITED]: "exited",
  },
);

export const nodePhases: EnumPair<NodePhase, sky.v1.NodePhase> = pair(
  "NodePhase",
  {
    absent: Phase.NODE_PHASE_ABSENT,
    alive: Phase.NODE_PHASE_ALIVE,
    suspect: Phase.NODE_PHASE_SUSPECT,
    lost: Phase.NODE_PHASE_LOST,
  },
  {
    [Phase.NODE_PHASE_UNSPECIFIED]: undefined,
    [Phase.NODE_PHASE_ABSENT]: "absent",
    [Phase.NODE_PHASE_ALIVE]: "alive",
    [Phase.NODE_PHASE_SUSPECT]: "suspect",
    [Phase.NODE_PHASE_LOST]: "lost",
  },
);

export const clusterStatuses: EnumPair<ClusterStatus, sky.v1.ClusterStatus> = pair(
  "ClusterStatus",
  {
    INIT: Cluster.CLUSTER_STATUS_INIT,
    UP: Cluster.CLUSTER_STATUS_UP,
    STOPPING: Cluster.CLUSTER_STATUS_STOPPING,
    STOPPED: Cluster.CLUSTER_STATUS_STOPPED,
  },
  {
    [Cluster.CLUSTER_STATUS_UNSPECIFIED]: undefined,
    [Cluster.CLUSTER_STATUS_INIT]: "INIT",
    [Cluster.CLUSTER_STATUS_UP]: "UP",
    [Cluster.CLUSTER_STATUS_STOPPING]: "STOPPING",
    [Cluster.CLUSTER_STATUS_STOPPED]: "STOPPED",
  },
);

export const jobStatuses: EnumPair<JobStatus, sky.v1.JobStatus> = pair(
  "JobStatus",
  {
    INIT: Job.JOB_STATUS_INIT,
    PENDING: Job.JOB_STATUS_PENDING,
    SETTING_UP: Job.JOB_STATUS_SETTING_UP,
    RUNNING: Job.JOB_STATUS_RUNNING,
    SUCCEEDED: Job.JOB_STATUS_SUCCEEDED,
    FAILED: Job.JOB_STATUS_FAILED,
    FAILED_SETUP: Job.JOB_STATUS_FAILED_SETUP,
    CANCELLED: Job.JOB_STATUS_CANCELLED,
  },
  {
    [Job.JOB_STATUS_UNSPECIFIED]: undefined,
    [Job.JOB_STATUS_INIT]: "INIT",
    [Job.JOB_STATUS_PENDING]: "PENDING",
    [Job.JOB_STATUS_SETTING_UP]: "SETTING_UP",
    [Job.JOB_STATUS_RUNNING]: "RUNNING",
    [Job.JOB_STATUS_SUCCEEDED]: "SUCCEEDED",
    [Job.JOB_STATUS_FAILED]: "FAILED",
    [Job.JOB_STATUS_FAILED_SETUP]: "FAILED_SETUP",
    [Job.JOB_STATUS_CANCELLED]: "CANCELLED",
  },
);

export const transferStatuses: EnumPair<TransferStatus, sky.v1.TransferStatus> = pair(
  "TransferStatus",
  {
    PENDING: Transfer.TRANSFER_STATUS_PENDING,
    RUNNING: Transfer.TRANSFER_STATUS_RUNNING,
    FINISHING: Transfer.TRANSFER_STATUS_FINISHING,
    SUCCEEDED: Transfer.TRANSFER_STATUS_SUCCEEDED,
    FAILED: Transfer.TRANSFER_STATUS_FAILED,
    CANCELLED: Transfer.TRANSFER_STATUS_CANCELLED,
  },
  {
    [Transfer.TRANSFER_STATUS_UNSPECIFIED]: undefined,
    [Transfer.TRANSFER_STATUS_PENDING]: "PENDING",
    [Transfer.TRANSFER_STATUS_RUNNING]: "RUNNING",
    [Transfer.TRANSFER_STATUS_FINISHING]: "FINISHING",
    [Transfer.TRANSFER_STATUS_SUCCEEDED]: "SUCCEEDED",
    [Transfer.TRANSFER_STATUS_FAILED]: "FAILED",
    [Transfer.TRANSFER_STATUS_CANCELLED]: "CANCELLED",
  },
);

export const transferVerbs: EnumPair<TransferOrder["verb"], sky.v1.TransferVerb> = pair(
  "TransferVerb",
  { copy: Verb.TRANSFER_VERB_COPY, sync: Verb.TRANSFER_VERB_SYNC },
  {
    [Verb.TRANSFER_VERB_UNSPECIFIED]: undefined,
    [Verb.TRANSFER_VERB_COPY]: "copy",
    [Verb.TRANSFER_VERB_SYNC]: "sync",
  },
);

function pair<Word extends string, E extends number>(
  what: string,
  numbers: Readonly<Record<Word, NoInfer<E>>>,
  words: Readonly<Record<E, Word | undefined>>,
): EnumPair<Word, E> {
  return {
    toProto: (word) => numbers[word],
    fromProto: (value) => {
      const word = words[value];
      if (word === undefined) throw new SkyError("codec/invalid", { what, why: `value ${value}` });
      return word;
    },
  };
}
