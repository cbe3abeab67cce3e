// The gRPC services as data and types: paths, codecs, and what handlers and clients look like.
//
// Nothing here calls or listens: `client-grpc.ts` and `server-grpc.ts` do. A handler gets decoded
// requests and returns what may be encoded; a client is its mirror image. A method that is missing
// in an implementation does not compile.

import type { MessageType } from "./codec.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { sky } from "./gen/sky.js";

/** One message in; `QIn` and `AIn` may be encoded, `Q` and `A` were decoded. */
interface Method<QIn, Q, AIn, A> {
  readonly path: string;
  readonly requestStream: false;
  requestSerialize(request: QIn): Buffer;
  requestDeserialize(bytes: Buffer): Q;
  responseSerialize(response: AIn): Buffer;
  responseDeserialize(bytes: Buffer): A;
}

/** One message out. */
export interface UnaryMethod<QIn, Q, AIn, A> extends Method<QIn, Q, AIn, A> {
  readonly responseStream: false;
}

/** Many messages out. */
export interface StreamMethod<QIn, Q, AIn, A> extends Method<QIn, Q, AIn, A> {
  readonly responseStream: true;
}

/** Any service. What its methods take is checked where it is used, by `HandlersOf`, `ClientOf`. */
export type Service = Readonly<Record<string, AnyMethod>>;

type AnyMethod =
  | UnaryMethod<unknown, unknown, unknown, unknown>
  | StreamMethod<unknown, unknown, unknown, unknown>;

const v1 = sky.v1;

export const clusterService = {
  launch: stream("ClusterService/Launch", v1.LaunchRequest, v1.LaunchResponse),
  status: unary("ClusterService/Status", v1.StatusRequest, v1.StatusResponse),
  start: stream("ClusterService/Start", v1.StartRequest, v1.StartResponse),
  stop: unary("ClusterService/Stop", v1.StopRequest, v1.StopResponse),
  down: unary("ClusterService/Down", v1.DownRequest, v1.DownResponse),
  setAutostop: unary("ClusterService/SetAutostop", v1.SetAutostopRequest, v1.SetAutostopResponse),
  costReport: unary("ClusterService/CostReport", v1.CostReportRequest, v1.CostReportResponse),
} as const satisfies Service;

export const jobService = {
  submit: unary("JobService/Submit", v1.SubmitRequest, v1.SubmitResponse),
  listJobs: unary("JobService/ListJobs", v1.ListJobsRequest, v1.ListJobsResponse),
  getJob: unary("JobService/GetJob", v1.GetJobRequest, v1.GetJobResponse),
  cancel: unary("JobService/Cancel", v1.CancelRequest, v1.CancelResponse),
  tailLogs: stream("JobService/TailLogs", v1.TailLogsRequest, v1.TailLogsResponse),
  watchEvents: stream("JobService/WatchEvents", v1.WatchEventsRequest, v1.WatchEventsResponse),
  why: unary("JobService/Why", v1.WhyRequest, v1.WhyResponse),
} as const satisfies Service;

export const transferService = {
  preview: unary(
    "TransferService/PreviewTransfer",
    v1.PreviewTransferRequest,
    v1.PreviewTransferResponse,
  ),
  start: unary("TransferService/StartTransfer", v1.StartTransferRequest, v1.StartTransferResponse),
  list: unary("TransferService/ListTransfers", v1.ListTransfersRequest, v1.ListTransfersResponse),
  get: unary("TransferService/GetTransfer", v1.GetTransferRequest, v1.GetTransferResponse),
  failures: unary(
    "TransferService/TransferFailures",
    v1.TransferFailuresRequest,
    v1.TransferFailuresResponse,
  ),
  follow: stream(
    "TransferService/FollowTransfer",
    v1.FollowTransferRequest,
    v1.FollowTransferResponse,
  ),
  cancel: unary(
    "TransferService/CancelTransfer",
    v1.CancelTransferRequest,
    v1.CancelTransferResponse,
  ),
  resume: unary(
    "TransferService/ResumeTransfer",
    v1.ResumeTransferRequest,
    v1.ResumeTransferResponse,
  ),
  profile: stream("TransferService/Profile", v1.ProfileRequest, v1.ProfileResponse),
} as const satisfies Service;

export const debugService = {
  version: unary("DebugService/Version", v1.VersionRequest, v1.VersionResponse),
  inspect: unary("DebugService/Inspect", v1.InspectRequest, v1.InspectResponse),
} as const satisfies Service;

export const hostService = {
  host: unary("HostService/Host", v1.HostRequest, v1.HostResponse),
  invite: unary("HostService/Invite", v1.InviteRequest, v1.InviteResponse),
  watch: stream("HostService/Watch", v1.WatchRequest, v1.WatchResponse),
} as const satisfies Service;

export const joinService = {
  join: unary("JoinService/Join", v1.JoinRequest, v1.JoinResponse),
} as const satisfies Service;

/** What a handler knows of its call besides the request. */
export interface CallContext {
  /** Aborted when the caller has gone, or its deadline has passed. */
  readonly signal: AbortSignal;
  /** The caller's transport address, for logs. It proves nothing. */
  readonly peer: string;
  /** The name in the caller's certificate, where the server demands one: proven. */
  readonly certified?: string;
  /** The socket of the caller's SSH agent, where it has one. */
  readonly agentSocket?: string;
}

/** Implementations of a service. They throw `SkyError` for what the caller should learn. */
export type HandlersOf<S extends Service> = {
  readonly [K in keyof S]: HandlerOf<S[K]>;
};

export type HandlerOf<M> =
  M extends UnaryMethod<unknown, infer Q, infer AIn, unknown>
    ? (request: Q, context: CallContext) => Promise<AIn>
    : M extends StreamMethod<unknown, infer Q, infer AIn, unknown>
      ? (request: Q, context: CallContext) => AsyncIterable<AIn>
      : never;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Absent = as long as it takes: only with a signal. */
  readonly timeoutMs?: number;
  /** Told to the peer with the call: see `CallContext`. */
  readonly agentSocket?: string;
}

/** The metadata that an agent's socket goes in: bytes, as paths are. */
export const agentMetadataKey = "sky-ssh-auth-sock-bin";

/** The callable side of a service. Every failure is a `SkyError`. */
export type ClientOf<S extends Service> = {
  readonly [K in keyof S]: CallOf<S[K]>;
};

export type CallOf<M> =
  M extends UnaryMethod<infer QIn, unknown, unknown, infer A>
    ? (request: QIn, options: CallOptions) => Promise<A>
    : M extends StreamMethod<infer QIn, unknown, unknown, infer A>
      ? (request: QIn, options: CallOptions) => AsyncIterable<A>
      : never;

/** The largest request: 10,000 tasks of 4 KiB. What a peer sends beyond it is not buffered. */
export const requestBytesMax = 48 * 1_024 * 1_024;

/**
 * Limits and windows of both ends. A bulk submit of 10,000 tasks is one message of some MiB; the
 * window lets a log flow at full rate over a long path. grpc-js's statistics ("channelz") stay on:
 * without them its `forceShutdown` forgets which connections there are, and cuts none.
 */
export const channelOptions = {
  "grpc.max_receive_message_length": 256 * 1_024 * 1_024,
  "grpc.max_send_message_length": 256 * 1_024 * 1_024,
  "grpc-node.flow_control_window": 8 * 1_024 * 1_024,
} as const;

function unary<QIn, Q, AIn, A>(
  name: string,
  request: MessageType<QIn, Q>,
  response: MessageType<AIn, A>,
): UnaryMethod<QIn, Q, AIn, A> {
  return { ...method(name, request, response), responseStream: false };
}

function stream<QIn, Q, AIn, A>(
  name: string,
  request: MessageType<QIn, Q>,
  response: MessageType<AIn, A>,
): StreamMethod<QIn, Q, AIn, A> {
  return { ...method(name, request, response), responseStream: true };
}

function method<QIn, Q, AIn, A>(
  name: string,
  request: MessageType<QIn, Q>,
  response: MessageType<AIn, A>,
): Method<QIn, Q, AIn, A> {
  return {
    path: `/sky.v1.${name}`,
    requestStream: false,
    requestSerialize: (message) => encodeMessage(request, message),
    requestDeserialize: (bytes) => decodeMessage(request, bytes, `${name} request`),
    responseSerialize: (message) => encodeMessage(response, message),
    responseDeserialize: (bytes) => decodeMessage(response, bytes, `${name} response`),
  };
}
