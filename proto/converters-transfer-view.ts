// What becomes of a transfer: its state, its plan and its events; model ↔ proto, both ways, total
// by type.
//
// Rates, prices and times are doubles on both sides; sizes and counts are exact to 2^53 - 1.

import type {
  ObjectFailure,
  ProfiledLink,
  TransferCounts,
  TransferEvent,
  TransferView,
} from "../model/transfer.ts";
import type { Plan } from "../model/transfer-plan.ts";
import { solvers } from "../model/transfer-plan.ts";
import { transferStatuses, transferVerbs } from "./enums.ts";
import { given, givenText, needed, oneOf } from "./fields.ts";
import type { sky } from "./gen/sky.js";

export function transferToProto(transfer: TransferView): sky.v1.Transfer.$Properties {
  const { status, verb, destinations, counts, failures, plan, ...plain } = transfer;
  return {
    ...plain,
    status: transferStatuses.toProto(status),
    verb: transferVerbs.toProto(verb),
    destinations: [...destinations],
    counts: { ...counts },
    failures: [...failures],
    ...given("plan", plan && planToProto(plan)),
  };
}

/** @throws SkyError `codec/invalid` if it is absent, or has a word that we do not know. */
export function transferFromProto(message: sky.v1.Transfer | null): TransferView {
  const transfer = needed(message, "Transfer");
  const { id, source, destinations, user, command, submittedAt, why, cost } = transfer;
  return {
    ...{ id, source, destinations, user, command, submittedAt, why, cost },
    status: transferStatuses.fromProto(transfer.status),
    verb: transferVerbs.fromProto(transfer.verb),
    ...given("startedAt", transfer.startedAt),
    ...given("endedAt", transfer.endedAt),
    counts: countsFromProto(transfer.counts),
    failures: transfer.failures.map(failureFromProto),
    ...given("plan", transfer.plan && planFromProto(transfer.plan)),
  };
}

function countsFromProto(message: sky.v1.TransferCounts | null): TransferCounts {
  const counts = needed(message, "TransferCounts");
  const { listed, listedBytes, isListed, done, doneBytes, movingBytes } = counts;
  const { skipped, failed, deleted, retries, rounds } = counts;
  return {
    ...{ listed, listedBytes, isListed, done, doneBytes, movingBytes },
    ...{ skipped, failed, deleted, retries, rounds },
  };
}

export function failureFromProto(message: sky.v1.ObjectFailure | null): ObjectFailure {
  const { object, destination, why } = needed(message, "ObjectFailure");
  return { object, destination, why };
}

export function linkFromProto(message: sky.v1.ProfiledLink | null): ProfiledLink {
  const { from, to, gbps, measuredAt } = needed(message, "ProfiledLink");
  return { from, to, gbps, measuredAt };
}

export function planToProto(plan: Plan): sky.v1.TransferPlan.$Properties {
  return {
    ...plan,
    destinations: [...plan.destinations],
    sites: [...plan.sites],
    edges: plan.edges.map((edge) => ({ ...edge, stripes: [...edge.stripes] })),
    notes: [...plan.notes],
  };
}

export function planFromProto(message: sky.v1.TransferPlan | null): Plan {
  const plan = needed(message, "TransferPlan");
  const { source, destinations, stripes, gbps, pricePerGb, cost, seconds, notes } = plan;
  return {
    solver: oneOf(plan.solver, solvers, "TransferPlan.solver"),
    ...{ source, destinations, stripes, gbps, pricePerGb, cost, seconds, notes },
    sites: plan.sites.map(({ id, gateways }) => ({ id, gateways })),
    edges: plan.edges.map((edge) => ({
      ...{ from: edge.from, to: edge.to, gbps: edge.gbps, connections: edge.connections },
      ...{ pricePerGb: edge.pricePerGb, stripes: edge.stripes },
    })),
  };
}

export function transferEventToProto(
  event: TransferEvent,
): sky.v1.FollowTransferResponse.$Properties {
  switch (event.kind) {
    case "state":
      return { state: transferToProto(event.view) };
    case "progress": {
      const { kind: _, counts, destinations, ...rates } = event;
      return { progress: { ...rates, counts: { ...counts }, destinations: [...destinations] } };
    }
    case "object": {
      const { object, destination, bytes, digest = "" } = event;
      return { object: { object, destination, bytes, digest } };
    }
    case "object-failed":
      return { failed: event.failure };
    case "round":
      return { round: { round: event.round, why: event.why } };
  }
}

/** @throws SkyError `codec/invalid` for one of a newer peer. */
export function transferEventFromProto(message: sky.v1.FollowTransferResponse): TransferEvent {
  switch (message.event) {
    case "progress":
      return progressFromProto(needed(message.progress, "progress"));
    case "object": {
      const { object, destination, bytes, digest } = needed(message.object, "object");
      return { kind: "object", object, destination, bytes, ...givenText("digest", digest) };
    }
    case "failed":
      return { kind: "object-failed", failure: failureFromProto(message.failed) };
    case "round": {
      const { round, why } = needed(message.round, "round");
      return { kind: "round", round, why };
    }
    default:
      return { kind: "state", view: transferFromProto(message.state) };
  }
}

function progressFromProto(message: sky.v1.TransferProgress): TransferEvent {
  const { counts, bytesPerSecond, secondsLeft, destinations } = message;
  return {
    kind: "progress",
    counts: countsFromProto(counts),
    bytesPerSecond,
    ...given("secondsLeft", secondsLeft),
    destinations: destinations.map(({ done, doneBytes }) => ({ done, doneBytes })),
  };
}
