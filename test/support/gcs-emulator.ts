// A small Google Cloud Storage for tests: what of its JSON and XML APIs a transfer uses.
//
// It keeps everything in memory and is as strict as the real one where that matters to us: a token
// is demanded, checksums that come are compared, generations and ranges are looked at, names that
// the real one refuses are refused, parts of an upload are seen by nobody until it is completed.
// Source: cloud.google.com/storage/docs/json_api/v1 and …/xml-api.

import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { escaped, tagged, textIn } from "../../transfer/stores/xml-text.ts";

export interface GcsEmulator {
  readonly endpoint: string;
  readonly token: string;
  /** `METHOD path`, as they came. */
  readonly requests: readonly string[];
  denied: boolean;
  /** Whoever names no project that pays is refused. */
  requesterPays: boolean;
  addBucket(name: string): void;
  damage(bucket: string, key: string): void;
  /** Of each connection from now on, the answer to a request that matches is cut off once. */
  cutNext(pattern: RegExp): void;
  close(): Promise<void>;
}

interface Kept {
  readonly bytes: Buffer;
  readonly generation: number;
  readonly at: number;
  readonly resource: Record<string, unknown>;
  readonly isComposite: boolean;
  readonly md5: string;
  readonly crc: string;
}

interface KeptUpload {
  readonly key: string;
  readonly at: number;
  readonly resource: Record<string, unknown>;
  readonly parts: Map<number, Buffer>;
}

interface KeptBucket {
  readonly objects: Map<string, Kept>;
  readonly uploads: Map<string, KeptUpload>;
}

/** What a request is answered with. */
interface Answer {
  readonly status: number;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

class Refusal extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

const pageKeys = 7;
const token = "a-token-of-this-test";

export async function startGcsEmulator(): Promise<GcsEmulator> {
  const cloud = new Cloud();
  const server = createServer((request, response) => {
    cloud.serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(cloud, {
    endpoint: `http://127.0.0.1:${port}`,
    token,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

class Cloud {
  denied = false;
  requesterPays = false;
  readonly requests: string[] = [];
  readonly #buckets = new Map<string, KeptBucket>();
  #generation = 1_700_000_000_000_000;
  #cut: RegExp | undefined;

  addBucket(name: string): void {
    this.#buckets.set(name, { objects: new Map(), uploads: new Map() });
  }

  damage(bucket: string, key: string): void {
    const kept = this.#bucket(bucket).objects.get(key);
    if (kept !== undefined) kept.bytes[0] = (kept.bytes[0] ?? 0) ^ 1;
  }

  cutNext(pattern: RegExp): void {
    this.#cut = pattern;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const line = `${request.method} ${request.url}`;
    this.requests.push(line);
    const isXml = !/^\/(upload\/)?storage\/v1\//.test(request.url ?? "");
    let answer: Answer;
    try {
      this.#demandRights(request);
      answer = (isXml ? this.#xml : this.#json).call(this, callOf(request, Buffer.concat(pieces)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = refusalOf(error, isXml);
    }
    if (this.#cut?.test(line) === true) {
      this.#cut = undefined;
      request.socket.destroy();
      return;
    }
    const body = Buffer.from(answer.body ?? "");
    response.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
    response.end(body);
  }

  #demandRights({ headers }: IncomingMessage): void {
    if (headers.authorization !== `Bearer ${token}`) {
      throw new Refusal(401, "authError", "Invalid Credentials");
    }
    if (this.denied) throw new Refusal(403, "forbidden", "you may not do that");
    if (this.requesterPays && headers["x-goog-user-project"] === undefined) {
      throw new Refusal(400, "required", "Bucket is requester pays but no user project provided.");
    }
  }

  #bucket(name: string): KeptBucket {
    const found = this.#buckets.get(name);
    if (found !== undefined) return found;
    throw new Refusal(404, "notFound", "The specified bucket does not exist.");
  }

  #object(bucket: string, key: string, query: URLSearchParams): Kept {
    const found = this.#bucket(bucket).objects.get(key);
    if (found === undefined) throw new Refusal(404, "notFound", `No such object: ${bucket}/${key}`);
    const wanted = query.get("ifGenerationMatch");
    if (wanted !== null && wanted !== `${found.generation}`) {
      throw new Refusal(412, "conditionNotMet", "At least one of the pre-conditions did not hold.");
    }
    return found;
  }

  #keep(
    bucket: string,
    kept: { key: string; bytes: Buffer; isComposite: boolean } & Described,
  ): Kept {
    this.#generation += 1;
    const { key, bytes, isComposite, resource } = kept;
    if (key === "." || key === ".." || /[\r\n]/.test(key) || Buffer.byteLength(key) > 1_024) {
      throw new Refusal(400, "invalid", "Invalid object name");
    }
    const one: Kept = {
      ...{ bytes, isComposite, resource, generation: this.#generation, at: Date.now() },
      ...{ md5: md5Of(bytes), crc: crc32c(bytes) },
    };
    this.#bucket(bucket).objects.set(key, one);
    return one;
  }

  #json(call: Call): Answer {
    const { method, path, query } = call;
    const [, isUpload, rest = ""] = /^(\/upload)?\/storage\/v1\/b(.*)$/.exec(path) ?? [];
    if (rest === "" && method === "POST") return this.#makeBucket(call);
    const [, name = "", isObjects, key] = /^\/([^/]+)(\/o)?(?:\/(.+))?$/.exec(rest) ?? [];
    const bucket = decodeURIComponent(name);
    if (isUpload !== undefined) return this.#upload(bucket, call);
    if (isObjects === undefined) return this.#aboutBucket(bucket, method);
    if (key === undefined) return json(this.#list(bucket, query));
    return this.#aboutObject(bucket, decodeURIComponent(key), call);
  }

  #makeBucket({ body }: Call): Answer {
    const { name } = JSON.parse(body.toString()) as { name: string };
    if (this.#buckets.has(name)) throw new Refusal(409, "conflict", "it is there");
    this.addBucket(name);
    return json({ name });
  }

  #aboutBucket(bucket: string, method: string): Answer {
    const { objects } = this.#bucket(bucket);
    if (method === "GET") return json({ name: bucket, location: "EUROPE-WEST4" });
    if (objects.size > 0) throw new Refusal(409, "conflict", "The bucket is not empty.");
    this.#buckets.delete(bucket);
    return { status: 204 };
  }

  #aboutObject(bucket: string, key: string, call: Call): Answer {
    const { method, query, headers } = call;
    const kept = this.#object(bucket, key, query);
    if (method === "DELETE") {
      this.#bucket(bucket).objects.delete(key);
      return { status: 204 };
    }
    if (method === "PATCH") {
      Object.assign(kept.resource, JSON.parse(call.body.toString()));
      return json(resourceOf(key, kept));
    }
    return query.get("alt") === "media"
      ? media(kept, headers["range"])
      : json(resourceOf(key, kept));
  }

  #upload(bucket: string, { headers, body }: Call): Answer {
    const [, boundary = ""] = /boundary=(.+)$/.exec(headers["content-type"] ?? "") ?? [];
    const begins = body.indexOf("\r\n\r\n") + 4;
    const ends = body.indexOf(`\r\n--${boundary}`, begins);
    const resource = JSON.parse(body.subarray(begins, ends).toString()) as Record<string, string>;
    const from = body.indexOf("\r\n\r\n", ends) + 4;
    const bytes = Buffer.from(body.subarray(from, body.length - boundary.length - 8));
    const { name = "", md5Hash, ...rest } = resource;
    if (md5Hash !== undefined && md5Hash !== md5Of(bytes)) {
      throw new Refusal(400, "invalid", `Provided MD5 hash "${md5Hash}" doesn't match.`);
    }
    const kept = this.#keep(bucket, { key: name, bytes, resource: rest, isComposite: false });
    return json(resourceOf(name, kept));
  }

  #list(bucket: string, query: URLSearchParams): unknown {
    const prefix = query.get("prefix") ?? "";
    const delimiter = query.get("delimiter");
    const from = Buffer.from(query.get("pageToken") ?? query.get("startOffset") ?? "", "utf8");
    const keys = [...this.#bucket(bucket).objects.keys()]
      .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), from) >= 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const folders = new Set<string>();
    const items: unknown[] = [];
    for (const key of keys) {
      const at = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
      if (at >= 0) folders.add(key.slice(0, at + 1));
      else if (items.length === pageKeys)
        return { items, prefixes: [...folders], nextPageToken: key };
      else items.push(resourceOf(key, this.#object(bucket, key, new URLSearchParams())));
    }
    return { items, prefixes: [...folders] };
  }

  #xml(call: Call): Answer {
    const { method, path, query } = call;
    const [, name = "", key] = /^\/([^/]+)(?:\/(.+))?$/.exec(path) ?? [];
    const bucket = decodeURIComponent(name);
    if (key === undefined) return xml(this.#uploads(bucket, query));
    const object = decodeURIComponent(key);
    if (query.has("uploads")) return this.#begin(bucket, object, call);
    const id = query.get("uploadId") ?? "";
    const upload = this.#bucket(bucket).uploads.get(id);
    if (upload === undefined || upload.key !== object) {
      throw new Refusal(404, "NoSuchUpload", "The requested upload was not found.");
    }
    if (method === "PUT") return putPart(upload, call);
    if (method === "GET") return xml(partsOf(upload, Number(query.get("part-number-marker"))));
    if (method === "POST") this.#complete(bucket, upload, call);
    this.#bucket(bucket).uploads.delete(id);
    return method === "POST" ? xml("<CompleteMultipartUploadResult/>") : { status: 204 };
  }

  #begin(bucket: string, key: string, { headers }: Call): Answer {
    const id = randomUUID();
    const custom = Object.entries(headers).filter(([name]) => name.startsWith("x-goog-meta-"));
    const metadata = Object.fromEntries(custom.map(([name, value]) => [name.slice(12), value]));
    const resource = {
      contentType: headers["content-type"],
      cacheControl: headers["cache-control"],
      contentEncoding: headers["content-encoding"],
      contentDisposition: headers["content-disposition"],
      contentLanguage: headers["content-language"],
      ...(custom.length === 0 ? {} : { metadata }),
    };
    this.#bucket(bucket).uploads.set(id, { key, at: Date.now(), resource, parts: new Map() });
    return xml(`<R><UploadId>${id}</UploadId></R>`);
  }

  #complete(bucket: string, upload: KeptUpload, { body }: Call): void {
    const named = tagged(body.toString(), "Part").map((part) => {
      const bytes = upload.parts.get(Number(textIn(part, "PartNumber")));
      if (bytes !== undefined && textIn(part, "ETag") === tagOf(bytes)) return bytes;
      throw new Refusal(400, "InvalidPart", "One or more of the specified parts was not found.");
    });
    const { key, resource } = upload;
    this.#keep(bucket, { key, bytes: Buffer.concat(named), resource, isComposite: true });
  }

  #uploads(bucket: string, query: URLSearchParams): string {
    const prefix = query.get("prefix") ?? "";
    const all = [...this.#bucket(bucket).uploads]
      .filter(([, { key }]) => key.startsWith(prefix))
      .map(([id, { key, at }]) => {
        const begun = new Date(at).toISOString();
        const named = `<Key>${escaped(key)}</Key><UploadId>${id}</UploadId>`;
        return `<Upload>${named}<Initiated>${begun}</Initiated></Upload>`;
      });
    return `<R><IsTruncated>false</IsTruncated>${all.join("")}</R>`;
  }
}

interface Described {
  readonly resource: Record<string, unknown>;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

function callOf({ method = "GET", url = "/", headers }: IncomingMessage, body: Buffer): Call {
  const [path = "", query = ""] = url.split("?", 2);
  const flat = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  return {
    method,
    path,
    query: new URLSearchParams(query),
    headers: Object.fromEntries(flat),
    body,
  };
}

function putPart(upload: KeptUpload, { query, headers, body }: Call): Answer {
  if (headers["content-md5"] !== md5Of(body)) throw new Refusal(400, "BadDigest", "another MD5");
  upload.parts.set(Number(query.get("partNumber")), body);
  return { status: 200, headers: { etag: tagOf(body) } };
}

/** Two parts a page, so that there are pages. */
function partsOf({ parts }: KeptUpload, after: number): string {
  const left = [...parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
  const page = left.slice(0, 2).map(([number, bytes]) => {
    const tag = `<ETag>${escaped(tagOf(bytes))}</ETag>`;
    return `<Part><PartNumber>${number}</PartNumber>${tag}<Size>${bytes.length}</Size></Part>`;
  });
  const next = `<NextPartNumberMarker>${left[1]?.[0] ?? 0}</NextPartNumberMarker>`;
  return `<R><IsTruncated>${left.length > 2}</IsTruncated>${next}${page.join("")}</R>`;
}

function media({ bytes, md5, crc, isComposite }: Kept, range: string | undefined): Answer {
  const hashes = isComposite ? `crc32c=${crc}` : `crc32c=${crc},md5=${md5}`;
  const headers = { "x-goog-hash": hashes };
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  if (first === undefined) return { status: 200, body: bytes, headers };
  if (Number(first) >= bytes.length) {
    throw new Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable");
  }
  return { status: 206, body: bytes.subarray(Number(first), Number(last) + 1), headers };
}

function resourceOf(name: string, kept: Kept): Record<string, unknown> {
  const { bytes, generation, at, md5, crc, isComposite, resource } = kept;
  const time = new Date(at).toISOString();
  return {
    ...{ ...resource, name, size: `${bytes.length}`, generation: `${generation}` },
    ...{ updated: time, timeCreated: time, crc32c: crc },
    ...(isComposite ? {} : { md5Hash: md5 }),
  };
}

function refusalOf({ status, reason, message }: Refusal, isXml: boolean): Answer {
  if (isXml) {
    const code = reason === "notFound" ? "NoSuchBucket" : reason;
    const body = `<Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`;
    return { status, body };
  }
  return json({ error: { code: status, message, errors: [{ reason, message }] } }, status);
}

function json(value: unknown, status = 200): Answer {
  return { status, body: JSON.stringify(value), headers: { "content-type": "application/json" } };
}

function xml(body: string): Answer {
  return { status: 200, body: `<?xml version='1.0' encoding='UTF-8'?>${body}` };
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}

function tagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** Castagnoli's, in base64 of its four bytes, the highest first. Source: RFC 3720, B.4. */
function crc32c(bytes: Uint8Array): string {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  const value = Buffer.alloc(4);
  value.writeUInt32BE((crc ^ 0xffff_ffff) >>> 0);
  return value.toString("base64");
}
