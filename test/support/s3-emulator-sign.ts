// Checking Signature Version 4 as S3 does, from the headers alone; and bodies in `aws-chunked`.
// Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.

import { createHash, createHmac } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface Signed {
  readonly method: string;
  /** As it was sent. */
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Why it is not from who has this key; `undefined` if it is. */
export function signatureProblem(
  request: Signed,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
): string | undefined {
  const given = /^AWS4-HMAC-SHA256 (.*)$/.exec(String(request.headers["authorization"] ?? ""))?.[1];
  if (given === undefined) return "AccessDenied";
  const fields = new Map(
    given.split(/,\s*/).map((field) => {
      const at = field.indexOf("=");
      return [field.slice(0, at), field.slice(at + 1)] as const;
    }),
  );
  const [id = "", date = "", region = "", service = ""] = (fields.get("Credential") ?? "").split(
    "/",
  );
  if (id !== keys.accessKeyId) return "InvalidAccessKeyId";
  const hash = String(request.headers["x-amz-content-sha256"] ?? "");
  if (/^[0-9a-f]{64}$/.test(hash) && hash !== sha256(request.body)) {
    return "XAmzContentSHA256Mismatch";
  }
  const names = (fields.get("SignedHeaders") ?? "").split(";");
  const lines = names.map((name) => `${name}:${String(request.headers[name] ?? "").trim()}\n`);
  const canonical = [
    ...[request.method, request.path, canonicalQuery(request.query), lines.join("")],
    ...[names.join(";"), hash],
  ].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const stamp = String(request.headers["x-amz-date"] ?? "");
  const text = ["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(
    (made, part) => hmac(made, part),
    `AWS4${keys.secretAccessKey}`,
  );
  const signature = hmac(key, text).toString("hex");
  return signature === fields.get("Signature") ? undefined : "SignatureDoesNotMatch";
}

export function queryOf(query: string): ReadonlyMap<string, string> {
  const pairs = query === "" ? [] : query.split("&");
  return new Map(
    pairs.map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      return [decodeURIComponent(name), decodeURIComponent(value.replaceAll("+", "%20"))];
    }),
  );
}

function canonicalQuery(query: string): string {
  return [...queryOf(query)]
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .toSorted(([one, a], [other, b]) => (one === other ? order(a, b) : order(one, other)))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The bytes of a body that came in signed or trailing chunks. */
export function unchunked(body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf("\r\n", at);
    if (end < 0) break;
    const length = Number.parseInt(body.toString("latin1", at, end).split(";")[0] ?? "", 16);
    if (!(length > 0)) break;
    pieces.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return Buffer.concat(pieces);
}

const sha256 = (text: string | Buffer): string => createHash("sha256").update(text).digest("hex");

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest();
