// Requests to HDFS over WebHDFS, or over an HttpFS in front of it.
//
// Bytes go to and come from data nodes: the name node answers such a request with where to send it
// anew. That is the protocol's, followed once, by hand: a body goes out only to the second.
//
// What must always hold: whoever we say we are, and what proves it, is in the address of a request
// and never in an error.
//
// Source: hadoop.apache.org, "WebHDFS REST API".

import { errorText, SkyError } from "../../model/errors.ts";
import { encodedKey, queryOf } from "./gcs-text.ts";
import { hdfsError, hdfsFailure } from "./hdfs-errors.ts";
import { createHttpExchange, type HttpAnswer, type HttpRequest } from "./http-exchange-os.ts";
import type { OpenStore } from "./object-store.ts";

export interface HdfsClient {
  /** `hdfs://host:port`, for errors. */
  readonly name: string;
  /** Requests at a time. */
  readonly connections: number;
  /** What the name node knows. */
  ask(asked: HdfsRequest, signal: AbortSignal): Promise<Uint8Array>;
  /** What a data node has, or gets. */
  move(asked: HdfsRequest, signal: AbortSignal): Promise<Uint8Array>;
  close(): void;
}

export interface HdfsRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly op: string;
  /** Absolute, with a slash before every name. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array;
  /** For errors. */
  readonly object: string;
}

const connectionsUsual = 16;
const redirects = [301, 302, 303, 307, 308];

export function openHdfsClient(open: OpenStore): HdfsClient {
  const { bucket, credentials, connections = connectionsUsual } = open;
  const exchange = createHttpExchange(connections);
  const origin = new URL(bucket.endpoint ?? `http://${bucket.bucket}`).origin;
  const { token, user } = credentials;
  const identity = token === undefined ? { "user.name": user } : { delegation: token };

  const send = async (
    request: HttpRequest,
    object: string,
    signal: AbortSignal,
  ): Promise<HttpAnswer> => {
    try {
      return await exchange.ask(request, signal);
    } catch (error) {
      signal.throwIfAborted();
      const why = `${new URL(request.origin).host} does not answer: ${errorText(error)}`;
      throw new SkyError("objects/failed", { object, why }, { cause: error });
    }
  };
  const first = (asked: HdfsRequest, signal: AbortSignal): Promise<HttpAnswer> => {
    const { method, op, path, query = {}, object } = asked;
    const at = path.split("/").map(encodedKey).join("/");
    const whole = `/webhdfs/v1${at}${queryOf({ op, ...query, ...identity })}`;
    return send({ method, origin, path: whole }, object, signal);
  };
  return {
    name: `hdfs://${bucket.bucket}`,
    connections,
    ask: async (asked, signal) => bodyOf(await first(asked, signal), asked.object),
    move: async (asked, signal) => {
      const { method, object, body = new Uint8Array(0) } = asked;
      const told = await first(asked, signal);
      const where = told.headers.location;
      // An HttpFS may give what was asked for at once; it takes a body at its second address alone.
      if (!redirects.includes(told.status) || where === undefined) {
        if (method === "GET") return bodyOf(told, object);
        bodyOf(told, object);
        throw new SkyError("objects/failed", { object, why: "nobody said where to write it" });
      }
      const { origin: place, pathname, search } = new URL(where, origin);
      const headers = { "content-type": "application/octet-stream" };
      const request = { method, origin: place, path: `${pathname}${search}`, headers };
      const second = await send(method === "GET" ? request : { ...request, body }, object, signal);
      return bodyOf(second, object);
    },
    close: () => exchange.close(),
  };
}

function bodyOf({ status, body }: HttpAnswer, object: string): Uint8Array {
  if (status < 300) return body;
  throw hdfsError(hdfsFailure(status, body), object);
}
