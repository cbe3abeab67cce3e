// An object in parts, where the store is a folder: the parts are files until all are there.
//
// The upload is a hidden folder beside the object's name, with a file for each part and one that
// says what the object will be like. Its id is in its name, so whoever has key and id goes on with
// it, also after a crash, and a sweep finds it. A part has its name when it is whole and flushed;
// the object has its own when all parts are one file and flushed.

import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { removeTree } from "../../runtime/removal-os.ts";
import { syncEntry } from "../../runtime/tree-os.ts";
import { objectNames } from "../chunks/object-place.ts";
import { fileFault } from "./file-errors.ts";
import { pathWithin } from "./file-keys.ts";
import { type FolderPlace, placeFile } from "./file-place-os.ts";
import { fileVersion } from "./file-version.ts";
import { demandWithin, makeWay, removeWay } from "./folder-way-os.ts";
import type { ObjectAttributes, ObjectStore, Upload, UploadedPart } from "./object-store.ts";

type Parts = Pick<ObjectStore, "begin" | "putPart" | "parts" | "complete" | "abort">;

/** What is kept of an upload beside its parts. */
interface About {
  readonly attributes?: ObjectAttributes;
  /** Folders that were made for it, which go with it. */
  readonly made: readonly string[];
}

const aboutName = "about.json";
const folderMode = 0o700;
const pieceBytes = 1024 * 1024;

export function fileParts(place: FolderPlace): Parts {
  const at = ({ key }: Upload, work: () => Promise<void>): Promise<void> => place.named(key, work);
  return {
    begin: (key, options) => place.named(key, () => begin(place, key, options)),
    putPart: (upload, { number, bytes }, signal) =>
      place.named(upload.key, async () => {
        signal.throwIfAborted();
        const { folder } = await openUpload(place, upload);
        const write = (file: FileHandle): Promise<void> => file.writeFile(bytes);
        const tag = await placeFile(partIn(folder, number), undefined, write);
        return { number, bytes: bytes.length, tag };
      }),
    parts: (upload, signal) =>
      place.named(upload.key, async () => {
        signal.throwIfAborted();
        return await partsIn((await openUpload(place, upload)).folder);
      }),
    complete: (upload, parts, { attributes, signal }) =>
      place.named(upload.key, async () => {
        signal.throwIfAborted();
        return await complete(place, upload, { parts, attributes });
      }),
    abort: (upload) => at(upload, () => abort(place, upload)),
  };
}

async function begin(
  { root }: FolderPlace,
  key: string,
  options: { readonly attributes?: ObjectAttributes; readonly signal: AbortSignal },
): Promise<Upload> {
  options.signal.throwIfAborted();
  const path = pathWithin(root, key);
  if (key.endsWith("/")) {
    const why = "it ends in `/`, so it is a folder and has no parts";
    throw new SkyError("objects/refused", { object: key, why });
  }
  // A root that is not there is told, not made.
  await stat(root);
  const id = randomUUID();
  const made = await makeWay(root, path);
  const folder = objectNames(path, id).partial;
  try {
    await mkdir(folder, { mode: folderMode });
    const { attributes } = options;
    const about: About = { ...(attributes === undefined ? {} : { attributes }), made };
    const write = (file: FileHandle): Promise<void> => file.writeFile(JSON.stringify(about));
    await placeFile(join(folder, aboutName), undefined, write);
    await syncEntry(dirname(path));
  } catch (error) {
    await removeTree(folder);
    await removeWay(made);
    throw error;
  }
  return { key, id };
}

interface OpenUpload {
  readonly path: string;
  readonly folder: string;
  readonly about: About;
}

/** @throws SkyError `objects/no-object`: it was completed or aborted. */
async function openUpload({ root }: FolderPlace, { key, id }: Upload): Promise<OpenUpload> {
  const path = pathWithin(root, key);
  await demandWithin(root, path);
  const folder = objectNames(path, id).partial;
  try {
    const about: About = JSON.parse(await readFile(join(folder, aboutName), "utf8"));
    return { path, folder, about };
  } catch (error) {
    if (fileFault(error) !== "none") throw error;
    const object = `the upload ${id} of ${key}`;
    throw new SkyError("objects/no-object", { object }, { cause: error });
  }
}

function partIn(folder: string, number: number): string {
  return join(folder, `part-${number}`);
}

async function partsIn(folder: string): Promise<readonly UploadedPart[]> {
  const numbers = (await readdir(folder))
    .map((name) => Number(/^part-(\d+)$/.exec(name)?.[1] ?? Number.NaN))
    .filter((number) => Number.isSafeInteger(number))
    .sort((a, b) => a - b);
  return await Promise.all(
    numbers.map(async (number) => {
      const found = await stat(partIn(folder, number), { bigint: true });
      return { number, bytes: Number(found.size), tag: fileVersion(found) };
    }),
  );
}

interface Completion {
  readonly parts: readonly UploadedPart[];
  readonly attributes: ObjectAttributes | undefined;
}

async function complete(
  place: FolderPlace,
  upload: Upload,
  { parts, attributes }: Completion,
): Promise<string> {
  const { path, folder, about } = await openUpload(place, upload);
  const there = new Map((await partsIn(folder)).map((part) => [part.number, part]));
  const ordered = parts.toSorted((a, b) => a.number - b.number);
  for (const [index, { number, tag }] of ordered.entries()) {
    const isTwice = ordered[index - 1]?.number === number;
    if (isTwice || there.get(number)?.tag !== tag) {
      const why = `part ${number} is ${isTwice ? "named twice" : "not the one that was put"}`;
      throw new SkyError("objects/refused", { object: upload.key, why });
    }
  }
  const version = await placeFile(path, attributes ?? about.attributes, async (file) => {
    for (const { number } of ordered) await appendFrom(partIn(folder, number), file);
  });
  await removeTree(folder);
  return version;
}

async function appendFrom(path: string, to: FileHandle): Promise<void> {
  const from = await open(path, "r");
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (;;) {
      const { bytesRead } = await from.read(piece, 0, piece.length);
      if (bytesRead === 0) return;
      await to.writeFile(piece.subarray(0, bytesRead));
    }
  } finally {
    await from.close();
  }
}

async function abort(place: FolderPlace, upload: Upload): Promise<void> {
  const path = pathWithin(place.root, upload.key);
  const folder = objectNames(path, upload.id).partial;
  const text = await readFile(join(folder, aboutName), "utf8").catch((error: unknown) => {
    if (fileFault(error) === "none") return undefined;
    throw error;
  });
  await removeTree(folder);
  if (text === undefined) return;
  const { made }: About = JSON.parse(text);
  await removeWay(made);
}
