// What a gateway has begun at destinations and may have to take away again: partial files, folders
// that it made, uploads. It is on disk before any of them is there.
//
// One JSON line each, appended. It says what may be left, not what is: whoever removes finds some
// of it gone, because it became an object. A line that was torn by a power cut is passed over.
//
// What must always hold: what a killed gateway leaves under a user's folder or in a bucket is named
// here; nothing is removed but partial files of this transfer and empty folders that it made.

import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { objectNames } from "../chunks/object-place.ts";
import { removeWay } from "../stores/folder-way-os.ts";
import type { Upload } from "../stores/object-store.ts";
import type { Leftovers } from "./leftovers.ts";

type Left =
  | { readonly partial: string }
  | { readonly folders: readonly string[] }
  | { readonly destination: number; readonly upload: Upload }
  | { readonly destination: number; readonly over: Upload };

/** The file is made with the first that is told. */
export function openLeftovers(path: string, transfer: string): Leftovers {
  return new LeftoversFile(path, transfer);
}

class LeftoversFile implements Leftovers {
  readonly #path: string;
  readonly #transfer: string;
  #opening: Promise<FileHandle> | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #next: { text: string; done: Promise<void> } | undefined;
  /** Uploads that are not over, by destination and key. */
  readonly #uploads = new Map<string, { destination: number; upload: Upload }>();

  constructor(path: string, transfer: string) {
    this.#path = path;
    this.#transfer = transfer;
  }

  partial(path: string): Promise<void> {
    return this.#tell({ partial: path });
  }

  async folders(made: readonly string[]): Promise<void> {
    if (made.length > 0) await this.#tell({ folders: made });
  }

  async open(): Promise<void> {
    for (const left of await this.#read()) this.#note(left);
  }

  upload(destination: number, upload: Upload): Promise<void> {
    return this.#tell({ destination, upload });
  }

  over(destination: number, upload: Upload): Promise<void> {
    return this.#tell({ destination, over: upload });
  }

  uploadTo(destination: number, key: string): Upload | undefined {
    return this.#uploads.get(nameOf(destination, key))?.upload;
  }

  async remove(abort: (destination: number, upload: Upload) => Promise<void>): Promise<void> {
    await this.close();
    const folders: string[] = [];
    this.#uploads.clear();
    for (const left of await this.#read()) {
      this.#note(left);
      if ("partial" in left) await this.#removePartial(left.partial);
      else if ("folders" in left) folders.push(...left.folders);
    }
    for (const { destination, upload } of this.#uploads.values()) await abort(destination, upload);
    // The innermost first, whoever made them when.
    for (const folder of [...new Set(folders)].sort((a, b) => b.length - a.length)) {
      await removeWay([folder]);
    }
    await rm(this.#path, { force: true });
  }

  async close(): Promise<void> {
    await this.#writing;
    const file = await this.#opening;
    this.#opening = undefined;
    await file?.close();
  }

  async #removePartial(path: string): Promise<void> {
    const { partial, journal } = objectNames(path, this.#transfer);
    for (const name of [partial, journal]) {
      await rm(name, { force: true }).catch((error: NodeJS.ErrnoException) => {
        // Its folder is another thing by now.
        if (error.code !== "ENOTDIR") throw error;
      });
    }
  }

  /** Many that are told at a time are written at once. */
  #tell(left: Left): Promise<void> {
    this.#note(left);
    const line = `${JSON.stringify(left)}\n`;
    if (this.#next !== undefined) {
      this.#next.text += line;
      return this.#next.done;
    }
    const next = { text: line, done: this.#writing.then(() => this.#write()) };
    this.#next = next;
    this.#writing = Promise.allSettled([next.done]);
    return next.done;
  }

  #note(left: Left): void {
    if ("upload" in left) this.#uploads.set(nameOf(left.destination, left.upload.key), left);
    if (!("over" in left)) return;
    const name = nameOf(left.destination, left.over.key);
    if (this.#uploads.get(name)?.upload.id === left.over.id) this.#uploads.delete(name);
  }

  async #write(): Promise<void> {
    const text = this.#next?.text ?? "";
    this.#next = undefined;
    this.#opening ??= open(this.#path, "a", 0o600);
    const file = await this.#opening;
    await file.appendFile(text);
  }

  async #read(): Promise<readonly Left[]> {
    const text = await readFile(this.#path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    return text.split("\n").flatMap((line) => leftIn(line) ?? []);
  }
}

function nameOf(destination: number, key: string): string {
  return `${destination} ${key}`;
}

function leftIn(line: string): Left | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? (parsed as Left) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
