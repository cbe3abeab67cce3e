// One request to a store over HTTP, and its whole answer, where bytes must be as they are.
//
// `fetch` unpacks what a store keeps packed, and normalises paths, so that an object called
// `a/../b` becomes another one. Here the path goes out as it is given and the body comes back as it
// was sent. Nothing is followed and nothing is tried again. An answer that ends early is a failure.

import { Agent, type IncomingHttpHeaders, request as requestHttp } from "node:http";
import { request as requestHttps, Agent as SecureAgent } from "node:https";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** `https://host:port`; its path is left out. */
  readonly origin: string;
  /** With its query, encoded by whoever asks. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | readonly Uint8Array[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of whoever asked, from then on. */
  readonly body: Uint8Array;
}

export interface HttpExchange {
  /** @throws what the network says, with its code; the signal's reason. */
  ask(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

/** A connection on which nothing moves for so long is given up. */
const silenceMs = 60_000;
/** Shorter than what servers keep an idle connection for. */
const idleMs = 15_000;

export function createHttpExchange(connections: number): HttpExchange {
  const options = { keepAlive: true, maxSockets: connections, timeout: idleMs };
  const agents = { http: new Agent(options), https: new SecureAgent(options) };
  return {
    ask: (request, signal) => ask(agents, request, signal),
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

interface Agents {
  readonly http: Agent;
  readonly https: SecureAgent;
}

async function ask(
  agents: Agents,
  { method, origin, path, headers = {}, body = [] }: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const { protocol, hostname, port } = new URL(origin);
  const isSecure = protocol === "https:";
  const pieces: readonly Uint8Array[] = body instanceof Uint8Array ? [body] : body;
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const options = {
    ...{ method, path, port, signal, timeout: silenceMs },
    // Of an IPv6 address without its brackets.
    hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
    agent: isSecure ? agents.https : agents.http,
    headers: {
      ...headers,
      ...(method === "GET" || method === "HEAD" ? {} : { "content-length": String(bytes) }),
    },
  };
  return await new Promise<HttpAnswer>((resolve, reject) => {
    const fail = (error: Error): void => reject(signal.aborted ? signal.reason : error);
    const request = (isSecure ? requestHttps : requestHttp)(options, (answer) => {
      const { statusCode: status = 0 } = answer;
      const given = answer.headers["content-length"];
      const length = method === "HEAD" || given === undefined ? undefined : Number(given);
      const arrived: Buffer[] = [];
      answer.on("data", (piece: Buffer) => arrived.push(piece));
      answer.on("error", fail);
      answer.on("end", () => {
        resolve({ status, headers: answer.headers, body: joined(arrived, length) });
      });
    });
    request.on("error", fail);
    request.on("timeout", () => request.destroy(silent(silenceMs)));
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

/** In memory that nobody else has a part of. */
function joined(pieces: readonly Buffer[], bytes: number | undefined): Uint8Array {
  const all = Buffer.allocUnsafeSlow(bytes ?? pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) at += piece.copy(all, at);
  return all.subarray(0, at);
}

function silent(ms: number): Error {
  const error = new Error(`nothing came for ${ms / 1_000} seconds`);
  return Object.assign(error, { code: "ETIMEDOUT" });
}
