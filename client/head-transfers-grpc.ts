// The calls of transfers over gRPC: protos on one side, the model on the other.
// The connection, and what is repeated over it, is the business of who gives the line.

import type { ObjectFailure } from "../model/transfer.ts";
import type { HeadClient } from "../proto/client-grpc.ts";
import { orderToProto, previewFromProto } from "../proto/converters-transfer.ts";
import {
  failureFromProto,
  linkFromProto,
  transferEventFromProto,
  transferFromProto,
} from "../proto/converters-transfer-view.ts";
import type { TransferAsked, TransferCalls } from "./head-transfers.ts";

const failuresPageCount = 1_000;

export interface TransferLine {
  /** A call that may be repeated. */
  call<T>(signal: AbortSignal, make: (client: HeadClient) => Promise<T>): Promise<T>;
  open<T>(
    signal: AbortSignal,
    make: (client: HeadClient) => AsyncIterable<T>,
  ): Promise<AsyncIterable<T>>;
}

export function transferCalls(line: TransferLine): TransferCalls {
  return {
    previewTransfer: async (asked, signal) => {
      const request = askedToProto(asked);
      const reply = await line.call(signal, (to) => to.transfers.preview(request, { signal }));
      return previewFromProto(reply);
    },
    startTransfer: async (asked, signal) => {
      const request = askedToProto(asked);
      const reply = await line.call(signal, (to) => to.transfers.start(request, { signal }));
      return reply.transfer;
    },
    listTransfers: async ({ user = "", skipFinished, countMax = 0 }, signal) => {
      const request = { user, skipFinished, limit: countMax };
      const reply = await line.call(signal, (to) => to.transfers.list(request, { signal }));
      return reply.transfers.map(transferFromProto);
    },
    getTransfer: async (transfer, signal) => {
      const reply = await line.call(signal, (to) => to.transfers.get({ transfer }, { signal }));
      return transferFromProto(reply.transfer);
    },
    transferFailures: (transfer, signal) => allFailures(line, transfer, signal),
    watchTransfer: async function* (transfer, signal) {
      const events = await line.open(signal, (to) => to.transfers.follow({ transfer }, { signal }));
      for await (const event of events) yield transferEventFromProto(event);
    },
    cancelTransfer: async (of, signal) => {
      await line.call(signal, (to) => to.transfers.cancel(of, { signal }));
    },
    resumeTransfer: async (of, signal) => {
      const reply = await line.call(signal, (to) => to.transfers.resume(of, { signal }));
      return reply.transfer;
    },
    profileLinks: async function* ({ clusters, ...rest }, signal) {
      const request = { ...rest, clusters: [...clusters] };
      const replies = await line.open(signal, (to) => to.transfers.profile(request, { signal }));
      for await (const { link } of replies) yield linkFromProto(link);
    },
  };
}

function askedToProto({ order, environment }: TransferAsked) {
  return { order: orderToProto(order), environment };
}

/** Page by page: an answer has a limit, what may fail has none. */
async function allFailures(
  line: TransferLine,
  transfer: number,
  signal: AbortSignal,
): Promise<ObjectFailure[]> {
  const all: ObjectFailure[] = [];
  for (;;) {
    const request = { transfer, after: all.length, limit: failuresPageCount };
    const reply = await line.call(signal, (to) => to.transfers.failures(request, { signal }));
    for (const failure of reply.failures) all.push(failureFromProto(failure));
    if (reply.failures.length < failuresPageCount) return all;
  }
}
