// What each call of S3 does to the buckets of the emulator. Faults are made by the server around
// it.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Answer, element, Refusal, textsOf, urlName, xml } from "./s3-emulator-answers.ts";
import {
  EmulatedBucket,
  type EmulatedObject,
  type EmulatedUpload,
  flipped,
  inOrder,
  listed,
  md5Of,
} from "./s3-emulator-buckets.ts";

export interface S3Request {
  /** `GetObject`, `ListObjectsV2`, …: as the API calls it. */
  readonly call: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Faults that are the store's own. */
  readonly corruptStored?: boolean;
  readonly shortPage?: boolean;
}

export interface S3World {
  readonly buckets: Map<string, EmulatedBucket>;
  readonly pageKeys: number;
  readonly partBytesMin: number;
  readonly now: () => number;
  readonly next: () => string;
}

type Call = (world: S3World, request: S3Request) => Answer;

export const s3Calls: Readonly<Record<string, Call>> = {
  ListBuckets: ({ buckets }) => {
    const all = [...buckets.keys()].map((name) => `<Bucket>${element("Name", name)}</Bucket>`);
    return xml("ListAllMyBucketsResult", `<Buckets>${all.join("")}</Buckets>`);
  },
  CreateBucket: ({ buckets }, { bucket }) => {
    if (buckets.has(bucket)) throw new Refusal(409, "BucketAlreadyOwnedByYou");
    buckets.set(bucket, new EmulatedBucket());
    return { status: 200 };
  },
  HeadBucket: (world, request) => {
    bucketOf(world, request);
    return { status: 200, headers: { "x-amz-bucket-region": "us-east-1" } };
  },
  DeleteBucket: (world, request) => {
    if (bucketOf(world, request).objects.size > 0) throw new Refusal(409, "BucketNotEmpty");
    world.buckets.delete(request.bucket);
    return { status: 204 };
  },
  GetBucketLocation: (world, request) => {
    bucketOf(world, request);
    return xml("LocationConstraint", "");
  },
  ListObjectsV2: list,
  ListObjects: list,
  DeleteObjects: (world, request) => {
    const bucket = bucketOf(world, request);
    const digests = ["content-md5", "x-amz-checksum-crc32"];
    if (!digests.some((name) => name in request.headers)) throw new Refusal(400, "InvalidRequest");
    checkBody(request);
    const keys = textsOf(request.body.toString("utf8"), "Key");
    if (keys.length > 1_000) throw new Refusal(400, "MalformedXML");
    for (const key of keys) bucket.delete(key);
    return xml("DeleteResult", "");
  },
  DeleteObject: (world, request) => {
    bucketOf(world, request).delete(request.key);
    return { status: 204 };
  },
  GetObject: read,
  HeadObject: read,
  PutObject: put,
  CreateMultipartUpload: (world, request) => {
    const id = `upload-${world.next()}`;
    const upload = { id, key: request.key, headers: kept(request.headers), parts: new Map() };
    demandKey(request.key);
    bucketOf(world, request).uploads.set(id, upload);
    const names = element("Bucket", request.bucket) + element("Key", request.key);
    return xml("InitiateMultipartUploadResult", names + element("UploadId", id));
  },
  UploadPart: (world, request) => {
    const { parts } = uploadOf(world, request);
    const number = Number(request.query.get("partNumber"));
    if (!(number >= 1 && number <= 10_000)) throw new Refusal(400, "InvalidArgument");
    checkBody(request);
    const tag = md5Of(request.body);
    const bytes = request.corruptStored === true ? flipped(request.body) : request.body;
    parts.set(number, { bytes, tag });
    return { status: 200, headers: { etag: `"${tag}"` } };
  },
  ListParts: listParts,
  ListMultipartUploads: listUploads,
  CompleteMultipartUpload: complete,
  AbortMultipartUpload: (world, request) => {
    uploadOf(world, request);
    bucketOf(world, request).uploads.delete(request.query.get("uploadId") ?? "");
    return { status: 204 };
  },
};

export function bucketOf({ buckets }: S3World, { bucket }: S3Request): EmulatedBucket {
  const found = buckets.get(bucket);
  if (found === undefined) throw new Refusal(404, "NoSuchBucket");
  return found;
}

function uploadOf(world: S3World, request: S3Request): EmulatedUpload {
  const upload = bucketOf(world, request).uploads.get(request.query.get("uploadId") ?? "");
  if (upload?.key !== request.key) throw new Refusal(404, "NoSuchUpload");
  return upload;
}

function demandKey(key: string): void {
  if (Buffer.byteLength(key) > 1_024) throw new Refusal(400, "KeyTooLongError");
}

const keptHeaders = [
  "content-type",
  "cache-control",
  "content-encoding",
  "content-disposition",
].concat(["content-language", "expires"]);

function kept(headers: S3Request["headers"]): Record<string, string> {
  const all = Object.entries(headers).filter(
    ([name]) => keptHeaders.includes(name) || name.startsWith("x-amz-meta-"),
  );
  const bytes = all.filter(([name]) => name.startsWith("x-amz-meta-"));
  const size = bytes.map(([name, value]) => name.length - 11 + value.length);
  if (size.reduce((sum, one) => sum + one, 0) > 2_048) throw new Refusal(400, "MetadataTooLarge");
  const given = Object.fromEntries(all);
  return { "content-type": "binary/octet-stream", ...given };
}

/** The sums that came with a body. */
function checkBody({ headers, body }: S3Request): void {
  const md5 = headers["content-md5"];
  if (md5 !== undefined && createHash("md5").update(body).digest("base64") !== md5) {
    throw new Refusal(400, "BadDigest");
  }
  const sum = headers["x-amz-checksum-crc32"];
  const found = Buffer.alloc(4);
  found.writeUInt32BE(crc32(body));
  if (sum !== undefined && found.toString("base64") !== sum) throw new Refusal(400, "BadDigest");
}

function put(world: S3World, request: S3Request): Answer {
  const bucket = bucketOf(world, request);
  demandKey(request.key);
  checkBody(request);
  if (request.headers["if-none-match"] === "*" && bucket.objects.has(request.key)) {
    throw new Refusal(412, "PreconditionFailed");
  }
  const tag = md5Of(request.body);
  const bytes = request.corruptStored === true ? flipped(request.body) : request.body;
  bucket.put(request.key, {
    ...{ bytes, tag, modifiedMs: world.now(), headers: kept(request.headers), partBytes: [] },
  });
  return { status: 200, headers: { etag: `"${tag}"` } };
}

function read(world: S3World, request: S3Request): Answer {
  const object = bucketOf(world, request).objects.get(request.key);
  if (object === undefined) throw new Refusal(404, "NoSuchKey");
  const { tag, bytes, modifiedMs, partBytes } = object;
  const ifMatch = request.headers["if-match"]?.replaceAll('"', "");
  if (ifMatch !== undefined && ifMatch !== tag && ifMatch !== "*") {
    throw new Refusal(412, "PreconditionFailed");
  }
  const headers = {
    ...object.headers,
    ...{ etag: `"${tag}"`, "accept-ranges": "bytes" },
    "last-modified": new Date(modifiedMs).toUTCString(),
  };
  const range = rangeOf(request, object);
  if (range === undefined) return { status: 200, headers, body: bytes };
  const [from, end] = range;
  const part: Record<string, string> = request.query.has("partNumber")
    ? { "x-amz-mp-parts-count": String(partBytes.length) }
    : {};
  const content = { "content-range": `bytes ${from}-${end - 1}/${bytes.length}` };
  return {
    status: 206,
    headers: { ...headers, ...part, ...content },
    body: bytes.subarray(from, end),
  };
}

function rangeOf(
  { query, headers }: S3Request,
  { bytes, partBytes }: EmulatedObject,
): readonly [from: number, end: number] | undefined {
  const part = Number(query.get("partNumber") ?? 0);
  if (part > 0 && partBytes.length > 0) {
    const from = partBytes.slice(0, part - 1).reduce((sum, one) => sum + one, 0);
    return [from, from + (partBytes[part - 1] ?? 0)];
  }
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(headers["range"] ?? "") ?? [];
  if (first === undefined || last === undefined) return undefined;
  const from = first === "" ? Math.max(0, bytes.length - Number(last)) : Number(first);
  if (from >= bytes.length) throw new Refusal(416, "InvalidRange");
  const end = first === "" || last === "" ? bytes.length : Number(last) + 1;
  return [from, Math.min(end, bytes.length)];
}

function list(world: S3World, request: S3Request): Answer {
  const { query } = request;
  const bucket = bucketOf(world, request);
  const token = query.get("continuation-token") ?? query.get("marker");
  const after =
    token === undefined
      ? (query.get("start-after") ?? "")
      : Buffer.from(token, "base64url").toString("utf8");
  const asked = Math.min(Number(query.get("max-keys") ?? 1_000), world.pageKeys);
  const prefix = query.get("prefix") ?? "";
  const page = listed(bucket.names, {
    ...{ prefix, delimiter: query.get("delimiter") ?? "", after },
    count: request.shortPage === true ? 1 : asked,
  });
  const name = query.get("encoding-type") === "url" ? urlName : (text: string) => text;
  const next = page.last === undefined ? "" : Buffer.from(page.last).toString("base64url");
  const contents = page.keys.map((key) => {
    const object = bucket.objects.get(key);
    const when = new Date(object?.modifiedMs ?? 0).toISOString();
    const tag = element("ETag", `"${object?.tag ?? ""}"`);
    const size = element("Size", object?.bytes.length ?? 0);
    const fields = element("Key", name(key)) + element("LastModified", when) + tag + size;
    return `<Contents>${fields}<StorageClass>STANDARD</StorageClass></Contents>`;
  });
  const folders = page.folders.map(
    (folder) => `<CommonPrefixes>${element("Prefix", name(folder))}</CommonPrefixes>`,
  );
  const count = page.keys.length + page.folders.length;
  const fields = [
    ...[element("Name", request.bucket), element("Prefix", name(prefix))],
    ...[element("KeyCount", count), element("MaxKeys", asked)],
    ...(query.has("encoding-type") ? [element("EncodingType", "url")] : []),
    element("IsTruncated", page.last !== undefined),
    ...(next === "" ? [] : [element("NextContinuationToken", next), element("NextMarker", next)]),
  ];
  return xml("ListBucketResult", [...fields, ...contents, ...folders].join(""));
}

function listParts(world: S3World, request: S3Request): Answer {
  const { parts } = uploadOf(world, request);
  const after = Number(request.query.get("part-number-marker") ?? 0);
  const all = [...parts].filter(([number]) => number > after).toSorted(([a], [b]) => a - b);
  const page = all.slice(0, world.pageKeys);
  const isTruncated = page.length < all.length;
  const items = page.map(([number, { bytes, tag }]) => {
    const fields = element("PartNumber", number) + element("ETag", `"${tag}"`);
    return `<Part>${fields}${element("Size", bytes.length)}</Part>`;
  });
  const next = element("NextPartNumberMarker", page.at(-1)?.[0] ?? 0);
  return xml("ListPartsResult", element("IsTruncated", isTruncated) + next + items.join(""));
}

function listUploads(world: S3World, request: S3Request): Answer {
  const { query } = request;
  const { uploads } = bucketOf(world, request);
  const prefix = query.get("prefix") ?? "";
  const name = query.get("encoding-type") === "url" ? urlName : (text: string) => text;
  const marked = (key: string, id: string) => `${key}\0${id}`;
  const marker = marked(query.get("key-marker") ?? "", query.get("upload-id-marker") ?? "");
  const after = inOrder([...uploads.values()].map(({ key, id }) => marked(key, id)))
    .filter((one) => one.startsWith(prefix))
    .filter((one) => Buffer.compare(Buffer.from(one), Buffer.from(marker)) > 0)
    .map((one) => one.split("\0"));
  const page = after.slice(0, world.pageKeys);
  const [key = "", id = ""] = page.at(-1) ?? [];
  const items = page.map(
    ([one = "", upload = ""]) =>
      `<Upload>${element("Key", name(one))}${element("UploadId", upload)}</Upload>`,
  );
  const fields = [
    ...(query.has("encoding-type") ? [element("EncodingType", "url")] : []),
    element("IsTruncated", page.length < after.length),
    ...[element("NextKeyMarker", name(key)), element("NextUploadIdMarker", id)],
  ];
  return xml("ListMultipartUploadsResult", [...fields, ...items].join(""));
}

function complete(world: S3World, request: S3Request): Answer {
  const upload = uploadOf(world, request);
  const body = request.body.toString("utf8");
  const numbers = textsOf(body, "PartNumber").map(Number);
  const tags = textsOf(body, "ETag").map((tag) => tag.replaceAll('"', ""));
  if (numbers.length === 0) throw new Refusal(400, "MalformedXML");
  const parts = numbers.map((number, index) => {
    const part = upload.parts.get(number);
    if (number <= (numbers[index - 1] ?? 0)) throw new Refusal(400, "InvalidPartOrder");
    if (part === undefined || part.tag !== tags[index]) throw new Refusal(400, "InvalidPart");
    return part;
  });
  const isSmall = parts.slice(0, -1).some(({ bytes }) => bytes.length < world.partBytesMin);
  if (isSmall) throw new Refusal(400, "EntityTooSmall");
  const md5s = Buffer.concat(parts.map(({ tag }) => Buffer.from(tag, "hex")));
  const tag = `${md5Of(md5s)}-${parts.length}`;
  const bucket = bucketOf(world, request);
  bucket.uploads.delete(upload.id);
  bucket.put(upload.key, {
    ...{ tag, modifiedMs: world.now(), headers: upload.headers },
    bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
    partBytes: parts.map(({ bytes }) => bytes.length),
  });
  const names = element("Bucket", request.bucket) + element("Key", upload.key);
  return xml("CompleteMultipartUploadResult", names + element("ETag", `"${tag}"`));
}
