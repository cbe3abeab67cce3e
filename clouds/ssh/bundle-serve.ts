// What a host that gives its bundle away is told, and what it answers to whoever asks.
//
// Pure. The server is `bin/serve-bundle.ts`; those who ask are lines of shell in `host-steps.sh`.

import { timingSafeEqual } from "node:crypto";

/** One line of JSON. */
export interface ServeOrders {
  /** The host's own, to listen on. */
  readonly address: string;
  readonly peers: readonly { readonly ip: string; readonly token: string }[];
}

export interface Answer {
  readonly granted: boolean;
  /** Before the bytes. Nothing for a request without a version: bare bytes for a bare request. */
  readonly head: string;
}

export function answerTo(
  request: string,
  { token, bytes }: { readonly token: string | undefined; readonly bytes: number },
): Answer {
  const [, asked = "", version] = /^GET \/(\S*)(?: HTTP\/(1\.[01]))?$/.exec(request) ?? [];
  const granted = token !== undefined && isSame(asked, token);
  if (version === undefined) return { granted, head: "" };
  const lines = granted
    ? ["HTTP/1.0 200 OK", "Content-Type: application/gzip", `Content-Length: ${bytes}`]
    : ["HTTP/1.0 403 Forbidden", "Content-Length: 0"];
  return { granted, head: [...lines, "Connection: close", "", ""].join("\r\n") };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
