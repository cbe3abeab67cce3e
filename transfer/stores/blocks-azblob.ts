// Objects in parts at Azure: blocks that nobody sees until a list of them is committed.
//
// Azure knows no uploads, only blocks of a blob that are not committed yet. Ours is a nonce in the
// ids of its blocks. Before the list is committed, each block is looked for with its size; a list
// that was committed before is committed again, and gives the same object.
//
// Nothing gives blocks up. Of a blob that is not there and has no other's blocks, an empty one is
// made and deleted, which takes them away. Where an object stands under the name it is not touched:
// there the blocks are written over with one byte each, and one more says that the upload is over;
// Azure drops them within a week.
// Source: learn.microsoft.com/rest/api/storageservices, "Put Block", "Put Block List", remarks.

import { createHash, randomBytes } from "node:crypto";
import type { BlockBlobClient } from "@azure/storage-blob";
import { SkyError } from "../../model/errors.ts";
import { azureFailure, azureMeaning } from "./azure-errors.ts";
import { blockId, blockNumber, demandName, described } from "./azure-text.ts";
import type { AzureContainer } from "./client-azblob.ts";
import type { ObjectAttributes, ObjectStore, Upload, UploadedPart } from "./object-store.ts";
import { bareTag } from "./s3-text.ts";

type Blocks = Required<
  Pick<ObjectStore, "begin" | "putPart" | "parts" | "complete" | "abort" | "uploads">
>;

const nonceBytes = 8;
/** No part has it: an upload that has this block is over. */
const overNumber = 0;
const overBytes = Buffer.from("x");

export function azureBlocks(container: AzureContainer): Blocks {
  const { named, client } = container;
  const blobOf = ({ key }: Upload): BlockBlobClient => client.getBlockBlobClient(key);
  return {
    begin: async (key, { attributes = {}, signal }) => {
      signal.throwIfAborted();
      demandName(key);
      // Said when it is committed; what cannot be said is refused now.
      described(key, attributes);
      const id = randomBytes(nonceBytes).toString("hex");
      // Nothing is begun there, so it is asked whether anything could be.
      await named(key, signal, () => stagedOf(client.getBlockBlobClient(key), signal));
      return { key, id };
    },
    putPart: (upload, { number, bytes }, signal) =>
      named(upload.key, signal, () => stage(blobOf(upload), { upload, number, bytes }, signal)),
    parts: (upload, signal) =>
      named(upload.key, signal, async () => {
        const found = ours(upload, await stagedOf(blobOf(upload), signal));
        if (isOver(found)) throw gone(upload);
        return found;
      }),
    complete: (upload, sent, options) =>
      named(upload.key, options.signal, () => {
        return complete(blobOf(upload), { upload, parts: sent, ...options });
      }),
    abort: (upload, signal) =>
      named(upload.key, signal, () => abort(blobOf(upload), upload, signal)),
    uploads: (prefix, signal) => uploads(container, prefix, signal),
  };
}

interface Staged {
  readonly id: string;
  readonly bytes: number;
}

async function stagedOf(blob: BlockBlobClient, signal: AbortSignal): Promise<readonly Staged[]> {
  return (await blocksOf(blob, "uncommitted", signal)).uncommitted;
}

async function blocksOf(
  blob: BlockBlobClient,
  which: "all" | "uncommitted",
  signal: AbortSignal,
): Promise<{ readonly committed: readonly Staged[]; readonly uncommitted: readonly Staged[] }> {
  const staged = (all: readonly { name: string; size: number }[] = []): readonly Staged[] =>
    all.map(({ name, size }) => ({ id: name, bytes: size }));
  try {
    const found = await blob.getBlockList(which, { abortSignal: signal });
    return {
      committed: staged(found.committedBlocks),
      uncommitted: staged(found.uncommittedBlocks),
    };
  } catch (error) {
    const isNothing = azureMeaning(azureFailure(error)) === "objects/no-object";
    if (isNothing) return { committed: [], uncommitted: [] };
    throw error;
  }
}

/** The parts of that upload, in order. */
function ours({ id: nonce }: Upload, staged: readonly Staged[]): readonly UploadedPart[] {
  return staged
    .flatMap(({ id, bytes }) => {
      const number = blockNumber(nonce, id);
      return number === undefined ? [] : [{ number, bytes, tag: id }];
    })
    .sort((a, b) => a.number - b.number);
}

function isOver(parts: readonly UploadedPart[]): boolean {
  return parts.some(({ number }) => number === overNumber);
}

function gone({ key, id }: Upload): SkyError<"objects/no-object"> {
  return new SkyError("objects/no-object", { object: `the upload ${id} of ${key}` });
}

interface Part {
  readonly upload: Upload;
  readonly number: number;
  readonly bytes: Uint8Array;
}

async function stage(
  blob: BlockBlobClient,
  { upload, number, bytes }: Part,
  signal: AbortSignal,
): Promise<UploadedPart> {
  const tag = blockId(upload.id, number);
  await blob.stageBlock(tag, bytes, bytes.length, {
    abortSignal: signal,
    transactionalContentMD5: createHash("md5").update(bytes).digest(),
  });
  return { number, bytes: bytes.length, tag };
}

interface Completion {
  readonly upload: Upload;
  readonly parts: readonly UploadedPart[];
  readonly attributes?: ObjectAttributes;
  readonly signal: AbortSignal;
}

async function complete(blob: BlockBlobClient, completion: Completion): Promise<string> {
  const { upload, parts, attributes = {}, signal } = completion;
  const { committed, uncommitted } = await blocksOf(blob, "all", signal);
  const there = ours(upload, [...committed, ...uncommitted]);
  // One that has no part yet, and one of which nothing is left, look the same.
  if (isOver(there) || (there.length === 0 && parts.length > 0)) throw gone(upload);
  const sizes = new Map(there.map(({ tag, bytes }) => [tag, bytes]));
  const ordered = parts.toSorted((a, b) => a.number - b.number);
  for (const { number, bytes, tag } of ordered) {
    const isNamed = tag === blockId(upload.id, number);
    if (isNamed && sizes.get(tag) === bytes) continue;
    const why = `part ${number} is not there as it was put`;
    throw new SkyError("objects/damaged", { object: upload.key, why });
  }
  const ids = ordered.map(({ tag }) => tag);
  const options = { ...described(upload.key, attributes), abortSignal: signal };
  return bareTag((await blob.commitBlockList(ids, options)).etag);
}

async function abort(blob: BlockBlobClient, upload: Upload, signal: AbortSignal): Promise<void> {
  const staged = await stagedOf(blob, signal);
  const parts = ours(upload, staged);
  if (parts.length === 0 || isOver(parts)) return;
  if (parts.length === staged.length && (await isCleared(blob, signal))) return;
  const shrink = (number: number): Promise<UploadedPart> =>
    stage(blob, { upload, number, bytes: overBytes }, signal);
  await shrink(overNumber);
  for (const { number } of parts) await shrink(number);
}

/** Whether there was nothing under the name, and so nothing is left of its blocks either. */
async function isCleared(blob: BlockBlobClient, signal: AbortSignal): Promise<boolean> {
  let etag: string | undefined;
  try {
    const conditions = { ifNoneMatch: "*" };
    etag = (await blob.commitBlockList([], { abortSignal: signal, conditions })).etag;
  } catch (error) {
    const { code, status } = azureFailure(error);
    if (code === "BlobAlreadyExists" || status === 412) return false;
    throw error;
  }
  const conditions = etag === undefined ? {} : { ifMatch: etag };
  // Not given up half way: the empty one would stay.
  await blob.deleteIfExists({ conditions });
  return true;
}

/** Of ours alone: what others have not committed is none of our business. */
async function uploads(
  { client, name, named }: AzureContainer,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly Upload[]> {
  const options = { prefix, includeUncommitedBlobs: true, abortSignal: signal };
  return await named(`${name}/${prefix}`, signal, async () => {
    const found: Upload[] = [];
    for await (const { name: key, properties } of client.listBlobsFlat(options)) {
      // One with an object under its name may have blocks, too, and no list says so.
      if (properties.contentLength !== 0) continue;
      const staged = await stagedOf(client.getBlockBlobClient(key), signal);
      const all = [...noncesIn(staged)].map((id) => ({ key, id }));
      found.push(...all.filter((upload) => !isOver(ours(upload, staged))));
    }
    return found;
  });
}

function noncesIn(staged: readonly Staged[]): ReadonlySet<string> {
  const nonces = staged.flatMap(({ id }) => {
    const text = Buffer.from(id, "base64").toString("latin1");
    return /^([0-9a-f]{16})-\d{5}$/.exec(text)?.[1] ?? [];
  });
  return new Set(nonces);
}
