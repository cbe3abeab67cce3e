// What the S3 emulator keeps: buckets with objects and uploads, in memory, and how it lists them.

import { createHash } from "node:crypto";

export interface EmulatedObject {
  readonly bytes: Buffer;
  /** Without quotes. */
  readonly tag: string;
  readonly modifiedMs: number;
  /** Headers that came with it and go out with it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly partBytes: readonly number[];
}

export interface EmulatedUpload {
  readonly id: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, { readonly bytes: Buffer; readonly tag: string }>;
}

export class EmulatedBucket {
  readonly objects = new Map<string, EmulatedObject>();
  readonly uploads = new Map<string, EmulatedUpload>();
  #sorted: readonly string[] | undefined;

  put(key: string, object: EmulatedObject): void {
    if (!this.objects.has(key)) this.#sorted = undefined;
    this.objects.set(key, object);
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.#sorted = undefined;
  }

  /** Names in the order of UTF-8. */
  get names(): readonly string[] {
    this.#sorted ??= inOrder([...this.objects.keys()]);
    return this.#sorted;
  }
}

export function inOrder(names: readonly string[]): readonly string[] {
  return names
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .toSorted((one, other) => Buffer.compare(one.bytes, other.bytes))
    .map(({ name }) => name);
}

export interface ListRequest {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  readonly count: number;
}

export interface Listing {
  readonly keys: readonly string[];
  readonly folders: readonly string[];
  /** Of the last that is in it, when there are more. */
  readonly last?: string;
}

/** One page: keys and folders count alike. */
export function listed(names: readonly string[], request: ListRequest): Listing {
  const { prefix, delimiter, count } = request;
  const after = Buffer.from(request.after);
  const keys: string[] = [];
  const folders: string[] = [];
  let last = "";
  for (const name of names) {
    if (!name.startsWith(prefix) || Buffer.compare(Buffer.from(name), after) <= 0) continue;
    const at = delimiter === "" ? -1 : name.indexOf(delimiter, prefix.length);
    const folder = at < 0 ? undefined : name.slice(0, at + delimiter.length);
    const isSame = folder !== undefined && (folder === folders.at(-1) || folder === request.after);
    if (isSame) continue;
    if (keys.length + folders.length === count) return { keys, folders, last };
    if (folder === undefined) keys.push(name);
    else folders.push(folder);
    last = folder ?? name;
  }
  return { keys, folders };
}

export function md5Of(bytes: Buffer): string {
  return createHash("md5").update(bytes).digest("hex");
}

export function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  if (copy.length > 0) copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}
