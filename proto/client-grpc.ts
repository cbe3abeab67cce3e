// Calls over gRPC: a service's definition becomes an object with one function per method.
//
// A unary call is a promise, a server stream an `AsyncIterable` that pauses the peer when its
// reader is slow. Both end at once when the signal aborts, and every failure is a `SkyError`: the
// peer's own, if it sent one.

import type { ChannelCredentials, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { SkyError } from "../model/errors.ts";
import { asSkyError, errorFromGrpc, errorMetadataKey } from "./error-detail.ts";
import type {
  CallOf,
  CallOptions,
  ClientOf,
  Service,
  StreamMethod,
  UnaryMethod,
} from "./services.ts";
import { channelOptions, clusterService, debugService, jobService } from "./services.ts";

/** The head's API from outside. */
export interface HeadClient {
  readonly clusters: ClientOf<typeof clusterService>;
  readonly jobs: ClientOf<typeof jobService>;
  readonly debug: ClientOf<typeof debugService>;
  close(): void;
}

/** A channel to `target` (`unix:<path>` or `host:port`). It connects with the first call. */
export function dialHead(
  target: string,
  transport: ChannelCredentials = credentials.createInsecure(),
): HeadClient {
  const channel = dialGrpc(target, transport);
  return {
    clusters: clientOf(channel, clusterService),
    jobs: clientOf(channel, jobService),
    debug: clientOf(channel, debugService),
    close: () => channel.close(),
  };
}

export function dialGrpc(target: string, transport: ChannelCredentials): Client {
  return new Client(target, transport, channelOptions);
}

/** The callable side of `service` over a channel. */
export function clientOf<S extends Service>(channel: Client, service: S): ClientOf<S> {
  const calls = Object.entries(service).map(([name, method]) => {
    const call = method.responseStream
      ? (request: unknown, options: CallOptions) =>
          readStream({ channel, method, request, options })
      : (request: unknown, options: CallOptions) => callOnce({ channel, method, request, options });
    return [name, call as CallOf<typeof method>] as const;
  });
  return Object.fromEntries(calls) as ClientOf<S>;
}

/** One call: over what, of what, with what. */
interface Call<M, QIn> {
  readonly channel: Client;
  readonly method: M;
  readonly request: QIn;
  readonly options: CallOptions;
}

function callOnce<QIn, A>({
  channel,
  method,
  request,
  options,
}: Call<UnaryMethod<QIn, unknown, unknown, A>, QIn>): Promise<A> {
  const { signal } = options;
  return new Promise<A>((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(method.path, signal));
    const cancel = (): void => call.cancel();
    const call = channel.makeUnaryRequest<QIn, A>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      deadlineOf(options),
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error !== null) reject(failure(error, method.path, options));
        else if (response === undefined) reject(asSkyError(new Error(`${method.path}: no reply`)));
        else resolve(response);
      },
    );
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

async function* readStream<QIn, A>({
  channel,
  method,
  request,
  options,
}: Call<StreamMethod<QIn, unknown, unknown, A>, QIn>): AsyncGenerator<A, void, undefined> {
  const { signal } = options;
  if (signal?.aborted) throw cancelled(method.path, signal);
  const call: ClientReadableStream<A> = channel.makeServerStreamRequest<QIn, A>(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    new Metadata(),
    deadlineOf(options),
  );
  // The iteration below reports every error. After it has ended early, grpc-js still emits the
  // status of the cancelled call, and an emitter without a listener would throw it.
  call.on("error", () => {});
  const cancel = (): void => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of call) yield message as A;
  } catch (error) {
    throw failure(error, method.path, options);
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function deadlineOf({ timeoutMs }: CallOptions): { readonly deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function failure(error: unknown, method: string, options: CallOptions): SkyError {
  if (options.signal?.aborted) return cancelled(method, options.signal);
  if (!isServiceError(error)) return asSkyError(error);
  const [detail] = error.metadata.get(errorMetadataKey);
  const facts = {
    method,
    status: error.code,
    details: error.details,
    detail: Buffer.isBuffer(detail) ? detail : undefined,
    timeoutMs: options.timeoutMs,
  };
  return errorFromGrpc(facts, error);
}

function cancelled(method: string, signal: AbortSignal): SkyError {
  return new SkyError("core/cancelled", { what: method }, { cause: signal.reason });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error && "details" in error;
}
