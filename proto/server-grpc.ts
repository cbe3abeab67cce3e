// Serving over gRPC: typed handlers become what grpc-js wants.
//
// A handler throws a `SkyError`; the caller gets its code, parameters and sentence. A stream's
// handler is an async generator: it is asked for the next message only when the one before has
// been taken by the transport, so a slow reader holds back the generator and nothing piles up.
// When the caller goes away the signal aborts and the generator is closed.

import { once } from "node:events";
import type {
  ServerCredentials,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import { Metadata, Server } from "@grpc/grpc-js";
import { assert, errorText, SkyError } from "../model/errors.ts";
import { asSkyError, errorMetadataKey, errorToBytes, grpcStatusOf } from "./error-detail.ts";
import { given } from "./fields.ts";
import type { CallContext, HandlersOf, Service } from "./services.ts";
import { agentMetadataKey, channelOptions, requestBytesMax } from "./services.ts";

/** For peers that read no metadata. Headers are small; ours carries the whole. */
const detailsCharsMax = 200;

type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;
type StreamHandler = (request: unknown, context: CallContext) => AsyncIterable<unknown>;

type Answering = Pick<Service[string], "path" | "responseSerialize">;

/** Hears of errors that are not the caller's: bugs of ours, for the log. */
export type HearBug = (error: unknown, method: string) => void;

export function createGrpcServer(): Server {
  return new Server({ ...channelOptions, "grpc.max_receive_message_length": requestBytesMax });
}

/** Adds a service. Handlers may be called as soon as the server listens. */
export function addService<S extends Service>(
  server: Server,
  service: S,
  options: { readonly handlers: HandlersOf<S>; readonly hearBug: HearBug },
): void {
  const { handlers, hearBug } = options;
  for (const [name, method] of Object.entries(service)) {
    const handler: unknown = handlers[name];
    const { path, requestDeserialize } = method;
    const type = method.responseStream ? "serverStream" : "unary";
    const handle = method.responseStream
      ? streamCall(handler as StreamHandler, method, hearBug)
      : unaryCall(handler as UnaryHandler, method, hearBug);
    const added = server.register(path, handle, asItIs, requestDeserialize, type);
    assert(added, `${path} is served once`);
  }
}

/** Starts to listen. Resolves with the port (0 for a socket path). */
export async function listenGrpc(
  server: Server,
  target: string,
  credentials: ServerCredentials,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new SkyError("process/failed", { what: "listen", why: errorText(error) }));
    });
  });
}

/** Lets calls end for `graceMs`, then cuts them. */
export async function closeGrpcServer(server: Server, graceMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

function unaryCall(handler: UnaryHandler, method: Answering, hearBug: HearBug): UntypedHandleCall {
  return (call: ServerUnaryCall<unknown, Buffer>, reply: sendUnaryData<Buffer>): void => {
    const answer = async (): Promise<Buffer> =>
      method.responseSerialize(await handler(call.request, contextOf(call)));
    answer().then(
      (response) => reply(null, response),
      (error: unknown) => reply(statusOf(error, method.path, hearBug)),
    );
  };
}

function streamCall(
  handler: StreamHandler,
  method: Answering,
  hearBug: HearBug,
): UntypedHandleCall {
  return (call: ServerWritableStream<unknown, Buffer>): void => {
    const context = contextOf(call);
    const messages = encoded(() => handler(call.request, context), method);
    pump(call, messages, context.signal).then(
      () => call.end(),
      (error: unknown) => {
        if (context.signal.aborted) call.end();
        else call.emit("error", statusOf(error, method.path, hearBug));
      },
    );
  };
}

/** Messages are encoded here, where a failure is a bug that is heard; grpc-js would hide it. */
async function* encoded(
  open: () => AsyncIterable<unknown>,
  method: Answering,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const message of open()) yield method.responseSerialize(message);
}

function asItIs(encodedBefore: Buffer): Buffer {
  return encodedBefore;
}

/** Writes what comes, no faster than the transport takes it. */
async function pump(
  call: ServerWritableStream<unknown, Buffer>,
  messages: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, "drain", { signal });
  }
}

function contextOf(
  call: ServerUnaryCall<unknown, Buffer> | ServerWritableStream<unknown, Buffer>,
): CallContext {
  const gone = new AbortController();
  const what = call.getPath();
  call.on("cancelled", () => gone.abort(new SkyError("core/cancelled", { what })));
  const { sslPeerCertificate } = call.getAuthContext();
  const name: unknown = sslPeerCertificate?.subject?.CN;
  const certified = typeof name === "string" ? { certified: name } : {};
  const agent = given("agentSocket", agentOf(call.metadata));
  return { signal: gone.signal, peer: call.getPeer(), ...certified, ...agent };
}

/** What Linux takes for a path. */
const pathBytesMax = 4_096;

function agentOf(metadata: Metadata): string | undefined {
  const [bytes] = metadata.get(agentMetadataKey);
  if (!(bytes instanceof Buffer) || bytes.length > pathBytesMax) return undefined;
  const path = bytes.toString("utf8");
  return path.startsWith("/") && !path.includes("\0") ? path : undefined;
}

function statusOf(
  thrown: unknown,
  method: string,
  hearBug: HearBug,
): { code: number; details: string; metadata: Metadata } {
  const error = asSkyError(thrown);
  if (error.remedy === "fix-code") hearBug(thrown, method);
  const metadata = new Metadata();
  metadata.set(errorMetadataKey, errorToBytes(error));
  return { code: grpcStatusOf(error), details: error.message.slice(0, detailsCharsMax), metadata };
}
