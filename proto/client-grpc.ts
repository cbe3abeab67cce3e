// Calls over gRPC: a service's definition becomes an object with one function per method.
//
// A unary call is a promise, a server stream an `AsyncIterable` that pauses the peer when its
// reader is slow. Both end at once when the signal aborts, and every failure is a `SkyError`: the
// peer's own, if it sent one.

import { once } from "node:events";
import { type ClientHttp2Stream, constants } from "node:http2";
import type { Socket } from "node:net";
import { errorText, SkyError } from "../model/errors.ts";
import { type Channel, channelTo } from "./channel-grpc.ts";
import { asSkyError, errorFromGrpc, errorMetadataKey } from "./error-detail.ts";
import {
  bytesIn,
  framed,
  type GrpcStatus,
  MessageReader,
  statusIn,
  timeoutText,
} from "./grpc-frames.ts";
import type {
  CallOf,
  CallOptions,
  ClientOf,
  Service,
  StreamMethod,
  UnaryMethod,
} from "./services.ts";
import {
  agentMetadataKey,
  channelOptions,
  clusterService,
  debugService,
  hostService,
  jobService,
  transferService,
} from "./services.ts";

/** The head's API from outside. */
export interface HeadClient {
  readonly clusters: ClientOf<typeof clusterService>;
  readonly jobs: ClientOf<typeof jobService>;
  readonly debug: ClientOf<typeof debugService>;
  /** Only a head on a host of a cluster has it. */
  readonly hosts: ClientOf<typeof hostService>;
  /** Only the head of a user's home has it. */
  readonly transfers: ClientOf<typeof transferService>;
  close(): void;
}

/**
 * A channel to `target` (`unix:<path>` or `host:port`). It connects with the first call, unless it
 * is given a connection that is open. `always` goes with every call.
 */
export function dialHead(
  target: string,
  first?: Socket,
  always: Pick<CallOptions, "agentSocket"> = {},
): HeadClient {
  const channel = channelTo(target, first);
  return {
    clusters: clientOf(channel, clusterService, always),
    jobs: clientOf(channel, jobService, always),
    debug: clientOf(channel, debugService, always),
    hosts: clientOf(channel, hostService, always),
    transfers: clientOf(channel, transferService, always),
    close: () => channel.close(),
  };
}

/** The callable side of `service` over a channel. `always` holds where a call says nothing. */
export function clientOf<S extends Service>(
  channel: Channel,
  service: S,
  always: CallOptions = {},
): ClientOf<S> {
  const calls = Object.entries(service).map(([name, method]) => {
    const call = method.responseStream
      ? (request: unknown, options: CallOptions) =>
          readStream({ channel, method, request, options: { ...always, ...options } })
      : (request: unknown, options: CallOptions) =>
          callOnce({ channel, method, request, options: { ...always, ...options } });
    return [name, call as CallOf<typeof method>] as const;
  });
  return Object.fromEntries(calls) as ClientOf<S>;
}

/** One call: over what, of what, with what. */
interface Call<M, QIn> {
  readonly channel: Channel;
  readonly method: M;
  readonly request: QIn;
  readonly options: CallOptions;
}

async function callOnce<QIn, A>(
  call: Call<UnaryMethod<QIn, unknown, unknown, A>, QIn>,
): Promise<A> {
  const open = new OpenCall(call);
  const { stream } = open;
  const replies: A[] = [];
  const take = (bytes: Buffer): void => {
    try {
      for (const one of open.messages.push(bytes)) {
        replies.push(call.method.responseDeserialize(one));
      }
    } catch (error) {
      open.giveUp(asSkyError(error));
    }
  };
  return new Promise<A>((resolve, reject) => {
    const settle = (): void => {
      open.release();
      const [reply] = replies;
      const failure = open.failure();
      if (failure !== undefined) reject(failure);
      else if (reply === undefined) reject(asSkyError(new Error(`${call.method.path}: no reply`)));
      else resolve(reply);
    };
    stream.on("data", take);
    // With the trailers the end is known before the stream is closed at both sides.
    stream.once("end", () => open.hasStatus && settle());
    stream.once("close", settle);
  });
}

async function* readStream<QIn, A>(
  call: Call<StreamMethod<QIn, unknown, unknown, A>, QIn>,
): AsyncGenerator<A, void, undefined> {
  const open = new OpenCall(call);
  const { stream } = open;
  try {
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) {
      for (const one of open.messages.push(bytes)) yield call.method.responseDeserialize(one);
    }
    if (!open.hasStatus && !stream.closed) await once(stream, "close");
  } catch (error) {
    throw open.failure() ?? asSkyError(error);
  } finally {
    open.release();
    stream.close(constants.NGHTTP2_CANCEL);
    stream.destroy();
  }
  const failure = open.failure();
  if (failure !== undefined) throw failure;
}

/** A call under way: its stream, and what is known of its end. */
class OpenCall<QIn> {
  readonly stream: ClientHttp2Stream;
  readonly messages = new MessageReader(channelOptions["grpc.max_receive_message_length"]);
  readonly #path: string;
  readonly #options: CallOptions;
  readonly #deadline: NodeJS.Timeout | undefined;
  #status: (GrpcStatus & { readonly detail: Uint8Array | undefined }) | undefined;
  /** Why we ended it ourselves. */
  #givenUp: SkyError | undefined;
  #broken: unknown;

  /** @throws SkyError `core/cancelled` if its signal has aborted before. */
  constructor({ channel, method, request, options }: Call<Service[string], QIn>) {
    const { signal, timeoutMs, agentSocket } = options;
    this.#path = method.path;
    this.#options = options;
    if (signal?.aborted) throw this.#cancelled();
    const bytes = framed(method.requestSerialize(request));
    const limit = timeoutMs === undefined ? {} : { "grpc-timeout": timeoutText(timeoutMs) };
    const agent = agentSocket === undefined ? {} : { [agentMetadataKey]: base64(agentSocket) };
    this.stream = channel.open(method.path, { ...limit, ...agent });
    this.stream.on("response", this.#hear).on("trailers", this.#hear);
    this.stream.on("error", (error) => {
      this.#broken = error;
    });
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs !== undefined) this.#deadline = setTimeout(this.#onDeadline, timeoutMs);
    this.stream.end(bytes);
  }

  /** Whether the peer has said how the call ended. */
  get hasStatus(): boolean {
    return this.#status !== undefined;
  }

  giveUp(why: SkyError): void {
    this.#givenUp ??= why;
    this.stream.close(constants.NGHTTP2_CANCEL);
    // What has arrived is not read by anybody, and would keep the stream open.
    this.stream.destroy();
  }

  release(): void {
    clearTimeout(this.#deadline);
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Why the call failed, once it is over; undefined if it did not. */
  failure(): SkyError | undefined {
    if (this.#givenUp !== undefined) return this.#givenUp;
    if (this.#status?.status === grpcOk) return undefined;
    const why = this.#broken === undefined ? "it cut the connection" : errorText(this.#broken);
    const end = this.#status ?? { status: grpcUnavailable, details: why, detail: undefined };
    return this.#failed(end);
  }

  #failed(end: GrpcStatus & { readonly detail: Uint8Array | undefined }): SkyError {
    const { timeoutMs } = this.#options;
    return errorFromGrpc({ method: this.#path, ...end, timeoutMs }, this.#broken);
  }

  readonly #hear = (headers: Readonly<Record<string, unknown>>): void => {
    const said = statusIn(headers);
    if (said !== undefined) this.#status = { ...said, detail: bytesIn(headers, errorMetadataKey) };
  };

  readonly #onAbort = (): void => this.giveUp(this.#cancelled());

  readonly #onDeadline = (): void => {
    const details = "its deadline passed";
    this.giveUp(this.#failed({ status: grpcDeadlineExceeded, details, detail: undefined }));
  };

  #cancelled(): SkyError {
    const { signal } = this.#options;
    return new SkyError("core/cancelled", { what: this.#path }, { cause: signal?.reason });
  }
}

/** As binary metadata goes. */
function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** Statuses that we find ourselves. Source: grpc.io, "Status codes". */
const grpcOk = 0;
const grpcDeadlineExceeded = 4;
const grpcUnavailable = 14;
