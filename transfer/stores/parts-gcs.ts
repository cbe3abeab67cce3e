// Objects in parts at Google Cloud Storage: the multipart uploads of its XML API.
//
// Each part carries its MD5, which the store checks; the whole is named by the parts' tags. What
// the store then has is looked at: its size is compared, and its generation is the version. A
// completion whose answer was lost is known by that, too: the upload is gone, and an object of that
// size is there that was made after the upload was begun, by the store's own clock.
//
// Source: cloud.google.com/storage/docs/multipart-uploads, …/docs/xml-api.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { GcsClient } from "./client-gcs.ts";
import {
  demandName,
  encodedKey,
  fitsHeaders,
  type GcsObject,
  headersOf,
  md5Of,
  queryOf,
  resourceOf,
} from "./gcs-text.ts";
import type { ObjectAttributes, ObjectStore, Upload, UploadedPart } from "./object-store.ts";
import { escaped, tagged, textIn } from "./xml-text.ts";

type Parts = Required<
  Pick<ObjectStore, "begin" | "putPart" | "parts" | "complete" | "abort" | "uploads">
>;
type Look = (key: string, signal: AbortSignal) => Promise<GcsObject | undefined>;

const pageMax = "1000";

/** `look` says what the store has under a key now. */
export function gcsParts(client: GcsClient, look: Look): Parts {
  return {
    begin: (key, options) => begin(client, key, options),
    putPart: (upload, part, signal) => putPart(client, { upload, ...part }, signal),
    parts: (upload, signal) => parts(client, upload, signal),
    complete: (upload, sent, options) => {
      return complete({ client, look }, { upload, parts: sent, ...options });
    },
    abort: (upload, signal) => abort(client, upload, signal),
    uploads: (prefix, signal) => uploads(client, prefix, signal),
  };
}

function objectPath({ bucket }: GcsClient, key: string): string {
  return `/${encodedKey(bucket)}/${encodedKey(key)}`;
}

/** The store's id, and when it was begun: what tells a late completion from another object. */
function idOf(uploadId: string, begunMs: number): string {
  return `${begunMs}:${uploadId}`;
}

function partsOf({ id }: Upload): { readonly uploadId: string; readonly begunMs: number } {
  const at = id.indexOf(":");
  return { uploadId: id.slice(at + 1), begunMs: Number(id.slice(0, at)) };
}

async function begin(
  client: GcsClient,
  key: string,
  options: { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal },
): Promise<Upload> {
  demandName(key);
  const { attributes = {}, signal } = options;
  const path = `${objectPath(client, key)}?uploads`;
  const headers = { "content-type": "application/octet-stream", ...headersOf(attributes) };
  const answer = await client.ask({ method: "POST", path, object: key, headers }, signal);
  const uploadId = textIn(textOf(answer.body), "UploadId");
  if (uploadId === undefined) throw odd(key, "it began no upload");
  const begunMs = Date.parse(answer.headers.date ?? "");
  return { key, id: idOf(uploadId, Number.isNaN(begunMs) ? 0 : begunMs) };
}

async function putPart(
  client: GcsClient,
  { upload, number, bytes }: PartRequest,
  signal: AbortSignal,
): Promise<UploadedPart> {
  const { uploadId } = partsOf(upload);
  const query = queryOf({ partNumber: String(number), uploadId });
  const { headers } = await client.ask(
    {
      method: "PUT",
      path: `${objectPath(client, upload.key)}${query}`,
      object: upload.key,
      headers: { "content-md5": md5Of(bytes) },
      body: bytes,
    },
    signal,
  );
  if (headers.etag === undefined) throw odd(upload.key, `part ${number} got no tag`);
  return { number, bytes: bytes.length, tag: headers.etag };
}

interface PartRequest {
  readonly upload: Upload;
  readonly number: number;
  readonly bytes: Uint8Array;
}

async function parts(
  client: GcsClient,
  upload: Upload,
  signal: AbortSignal,
): Promise<readonly UploadedPart[]> {
  const { uploadId } = partsOf(upload);
  const found: UploadedPart[] = [];
  for (let after: string | undefined = "0"; after !== undefined; ) {
    const marker = after === "0" ? {} : { "part-number-marker": after };
    const query = queryOf({ uploadId, "max-parts": pageMax, ...marker });
    const path = `${objectPath(client, upload.key)}${query}`;
    const { body } = await client.ask({ method: "GET", path, object: upload.key }, signal);
    const xml = textOf(body);
    found.push(...tagged(xml, "Part").map(partIn));
    const isMore = textIn(xml, "IsTruncated") === "true";
    const next: string | undefined = isMore ? textIn(xml, "NextPartNumberMarker") : undefined;
    if (isMore && (next === undefined || next === after)) throw odd(upload.key, "its parts end");
    after = next;
  }
  return found;
}

function partIn(xml: string): UploadedPart {
  const number = Number(textIn(xml, "PartNumber"));
  return { number, bytes: Number(textIn(xml, "Size")), tag: textIn(xml, "ETag") ?? "" };
}

interface Place {
  readonly client: GcsClient;
  readonly look: Look;
}

interface Completion {
  readonly upload: Upload;
  readonly parts: readonly UploadedPart[];
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function complete(place: Place, completion: Completion): Promise<string> {
  const { client, look } = place;
  const { upload, parts: sent, attributes, signal } = completion;
  const isLate = await isGone(client, completion);
  const object = await look(upload.key, signal);
  const bytes = sent.reduce((sum, part) => sum + part.bytes, 0);
  const isSame = object !== undefined && Number(object.size) === bytes;
  if (isLate) {
    const madeMs = Date.parse(object?.timeCreated ?? "");
    // The header's time has whole seconds.
    const isOurs = isSame && madeMs >= partsOf(upload).begunMs - 1_000;
    if (!isOurs) throw new SkyError("objects/no-object", { object: `the upload of ${upload.key}` });
  } else if (!isSame) {
    const why = `it has ${object?.size ?? "no"} bytes, and its parts ${bytes}`;
    throw new SkyError("objects/damaged", { object: upload.key, why });
  }
  if (attributes !== undefined && !fitsHeaders(attributes)) {
    await describe(client, { key: upload.key, generation: object.generation, attributes }, signal);
  }
  return object.generation;
}

/** Whether there is no such upload any more; otherwise it is completed. */
async function isGone(client: GcsClient, completion: Completion): Promise<boolean> {
  const { upload, parts: sent, signal } = completion;
  const ordered = sent.toSorted((a, b) => a.number - b.number);
  const named = ordered.map(({ number, tag }) => {
    return `<Part><PartNumber>${number}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`;
  });
  const body = `<CompleteMultipartUpload>${named.join("")}</CompleteMultipartUpload>`;
  const query = queryOf({ uploadId: partsOf(upload).uploadId });
  try {
    const answer = await client.ask(
      {
        method: "POST",
        path: `${objectPath(client, upload.key)}${query}`,
        object: upload.key,
        headers: { "content-type": "application/xml" },
        body: Buffer.from(body),
      },
      signal,
    );
    // The store may find out what is wrong when it has begun to answer.
    const [failure] = tagged(textOf(answer.body), "Error");
    if (failure === undefined) return false;
    throw odd(upload.key, `${textIn(failure, "Code")}: ${textIn(failure, "Message")}`);
  } catch (error) {
    if (isSkyError(error, "objects/no-object")) return true;
    throw error;
  }
}

interface Description {
  readonly key: string;
  readonly generation: string;
  readonly attributes: ObjectAttributes;
}

/** What no header can say. The generation stays. */
async function describe(
  client: GcsClient,
  { key, generation, attributes }: Description,
  signal: AbortSignal,
): Promise<void> {
  const query = queryOf({ ifGenerationMatch: generation, fields: "generation" });
  await client.ask(
    {
      method: "PATCH",
      path: `/storage/v1/b/${encodedKey(client.bucket)}/o/${encodedKey(key)}${query}`,
      object: key,
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify(resourceOf(attributes))),
    },
    signal,
  );
}

async function abort(client: GcsClient, upload: Upload, signal: AbortSignal): Promise<void> {
  const { uploadId } = partsOf(upload);
  const path = `${objectPath(client, upload.key)}${queryOf({ uploadId })}`;
  try {
    await client.ask({ method: "DELETE", path, object: upload.key }, signal);
  } catch (error) {
    if (!isSkyError(error, "objects/no-object")) throw error;
  }
}

async function uploads(
  client: GcsClient,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly Upload[]> {
  const found: Upload[] = [];
  for (let markers: Markers | undefined = {}; markers !== undefined; ) {
    const query: string = queryOf({ prefix, "max-uploads": pageMax, ...markers });
    const path: string = `/${encodedKey(client.bucket)}${query.replace("?", "?uploads&")}`;
    const object = `gs://${client.bucket}/${prefix}`;
    const xml = textOf((await client.ask({ method: "GET", path, object }, signal)).body);
    found.push(...tagged(xml, "Upload").map(uploadIn));
    markers = nextMarkers(xml, markers, object);
  }
  return found;
}

interface Markers {
  readonly "key-marker"?: string | undefined;
  readonly "upload-id-marker"?: string | undefined;
}

function nextMarkers(xml: string, last: Markers, object: string): Markers | undefined {
  if (textIn(xml, "IsTruncated") !== "true") return undefined;
  const key = textIn(xml, "NextKeyMarker");
  const id = textIn(xml, "NextUploadIdMarker");
  const isSame = key === last["key-marker"] && id === last["upload-id-marker"];
  if (key === undefined || isSame) throw odd(object, "its list of uploads does not end");
  return { "key-marker": key, "upload-id-marker": id };
}

function uploadIn(xml: string): Upload {
  const begunMs = Date.parse(textIn(xml, "Initiated") ?? "");
  const id = textIn(xml, "UploadId") ?? "";
  return { key: textIn(xml, "Key") ?? "", id: idOf(id, Number.isNaN(begunMs) ? 0 : begunMs) };
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}

function odd(object: string, what: string): SkyError<"objects/failed"> {
  return new SkyError("objects/failed", { object, why: `Cloud Storage's answer is odd: ${what}` });
}
