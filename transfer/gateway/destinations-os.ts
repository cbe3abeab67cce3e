// The destinations that a gateway writes, made of its program: folders of this machine, and what
// takes everything and keeps nothing.
//
// What must always hold: no object becomes a file outside its destination's folder, whatever its
// key says and whatever links are on the way; what a file is begun under is named in the leftovers
// first.

import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { makeFolders, missingAbove } from "../../runtime/folders-os.ts";
import { freeBytes } from "../../runtime/room-os.ts";
import { bytesText } from "../../runtime/store-room.ts";
import type { CutRule } from "../chunks/cut.ts";
import { openChunkJournal } from "../chunks/journal-os.ts";
import type { FileAttributes } from "../chunks/object-file-os.ts";
import type { ObjectTarget } from "../chunks/object-target.ts";
import { fileToReceive } from "../chunks/receive-os.ts";
import type { SmallFiles } from "../chunks/small-files-os.ts";
import { fileFactsOf } from "../stores/file-attributes.ts";
import { fileError } from "../stores/file-errors.ts";
import { pathWithin } from "../stores/file-keys.ts";
import { makeFolderAt, makeWay } from "../stores/folder-way-os.ts";
import { type Destination, nothing } from "./destination.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Meter } from "./meters.ts";
import type { GatewayObject } from "./orders.ts";
import type { Discard, WriteLocal } from "./program.ts";
import { metered, nowhere, readingBack } from "./writing.ts";

export interface JournalPorts {
  /** Of this transfer at this gateway: journals are in it. */
  readonly dir: string;
  readonly locks: string;
  readonly transfer: string;
}

export interface DestinationPorts extends JournalPorts {
  readonly leftovers: Leftovers;
  readonly meter: Meter;
  /** Reads each file once more before it has its name. */
  readonly isProven: boolean;
  /** Reads it once more when it has its name. */
  readonly isReadBack: boolean;
  readonly cut: CutRule | undefined;
  /** Of the node. */
  readonly group: SmallFiles | undefined;
}

/** @throws SkyError `objects/refused`, `objects/denied`: nothing can be written there. */
export async function openLocalDestination(
  { handle, destination }: WriteLocal,
  folder: string,
  ports: DestinationPorts,
): Promise<Destination> {
  const journal = await journalOf(destination, ports);
  const files = new FileTargets(folder, ports);
  return {
    ...{ handle, destination, meter: ports.meter, journal },
    proof: ports.isProven ? "file" : "none",
    target: async (object) => {
      const key = object.targets[destination] ?? "";
      const target = await files.target(object, key);
      return metered(ports.isReadBack ? readingBack(target, key) : target, ports.meter);
    },
    close: () => journal.close(),
  };
}

/** Takes all, and says that it has it. */
export async function openDiscard(
  { handle, destination }: Discard,
  ports: DestinationPorts,
): Promise<Destination> {
  const journal = await journalOf(destination, ports);
  return {
    ...{ handle, destination, meter: ports.meter, journal, proof: "none" },
    target: async ({ bytes }) => metered({ ...nowhere(bytes), cut: ports.cut }, ports.meter),
    close: () => journal.close(),
  };
}

export function journalOf(destination: number, { dir, locks, transfer }: JournalPorts) {
  return openChunkJournal({ path: join(dir, `write-${destination}.journal`), transfer, locks });
}

class FileTargets {
  readonly #folder: string;
  readonly #ports: DestinationPorts;
  /** Folders that are there and within. */
  readonly #ways = new Map<string, Promise<string>>();
  #root: Promise<string> | undefined;

  constructor(folder: string, ports: DestinationPorts) {
    this.#folder = folder;
    this.#ports = ports;
  }

  async target(object: GatewayObject, key: string): Promise<ObjectTarget> {
    const path = pathWithin(this.#folder, key);
    return await told(path, async () => {
      this.#root ??= this.#makeRoot();
      const root = await this.#root;
      if (key.endsWith("/")) return folderTarget(root, pathWithin(root, key), object);
      // Links that lead to where it goes are followed here, and by nobody who writes.
      const real = join(await this.#makeWay(path), basename(path));
      if (object.bytes > 0) await this.#ports.leftovers.partial(real);
      return this.#file(object, real);
    });
  }

  #file(object: GatewayObject, path: string): ObjectTarget {
    const { transfer, locks, cut, group, isProven: proveAtEnd } = this.#ports;
    const its = { attributes: attributesOf(object), bytes: object.bytes };
    const target = fileToReceive({ ...its, path, transfer, locks, cut, group, proveAtEnd });
    return {
      ...target,
      open: async (journal) => {
        const file = await told(path, () => target.open(journal), object.bytes);
        return {
          ...{ known: file.known, missing: (manifest) => file.missing(manifest) },
          put: (place, bytes) => told(path, () => file.put(place, bytes), object.bytes),
          finish: (manifest, how) => told(path, () => file.finish(manifest, how), object.bytes),
          ...{ abort: () => file.abort(), close: () => file.close() },
        };
      },
    };
  }

  /** The destination's own folder may be a link: the user named it. */
  async #makeRoot(): Promise<string> {
    const { leftovers } = this.#ports;
    const inside = join(this.#folder, "any");
    await leftovers.folders(missingAbove(inside));
    makeFolders(this.#folder, folderMode);
    return await realpath(this.#folder);
  }

  /** The folder that it is in, by its real path. */
  #makeWay(path: string): Promise<string> {
    const folder = dirname(path);
    const known = this.#ways.get(folder);
    if (known !== undefined) return known;
    const making = this.#make(path);
    if (this.#ways.size >= waysMax) this.#ways.clear();
    this.#ways.set(folder, making);
    making.catch(() => this.#ways.delete(folder));
    return making;
  }

  async #make(path: string): Promise<string> {
    await this.#ports.leftovers.folders(missingAbove(path));
    await makeWay(this.#folder, path);
    return await realpath(dirname(path));
  }
}

/** What the system refused, in the words of a store: whether it may pass, follows from that. */
async function told<T>(path: string, work: () => Promise<T>, bytes?: number): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSkyError(error, "disk/full")) throw fullFor(path, bytes, error);
    if (isSkyError(error, "store/locked")) {
      const why = "another transfer writes it now";
      throw new SkyError("objects/failed", { object: path, why }, { cause: error });
    }
    const isSystems = isSkyError(error, "process/failed") && error.cause !== undefined;
    const cause = isSystems ? error.cause : error;
    throw refusedAt(
      path,
      fileError(cause, path, (full) => fullFor(path, bytes, full)),
    );
  }
}

/** What is to be made is not missed: what it would be in is. */
function refusedAt(path: string, error: unknown): unknown {
  if (!isSkyError(error, "objects/no-object")) return error;
  const why = "it cannot be made, because what it would be in is not there";
  return new SkyError("objects/refused", { object: path, why }, { cause: error });
}

function fullFor(path: string, bytes: number | undefined, cause: unknown): SkyError {
  const need = bytes === undefined ? "" : `${basename(path)} has ${bytesText(bytes)}. `;
  const hint = `${need}Make room there and try again`;
  const free = bytesText(freeBytes(dirname(path)));
  return new SkyError("disk/full", { path: dirname(path), free, hint }, { cause });
}

const folderMode = 0o777;
/** Folders that are remembered as made; then they are looked at again. */
export const waysMax = 65_536;

function attributesOf(object: GatewayObject): FileAttributes {
  const facts = object.attributes === undefined ? {} : fileFactsOf(object.attributes);
  const mode = object.mode ?? facts.mode;
  const mtimeMs = facts.mtimeMs ?? object.modifiedMs;
  return {
    ...(mode === undefined ? {} : { mode: mode & permissionBits }),
    ...(mtimeMs === undefined ? {} : { mtimeMs }),
  };
}

const permissionBits = 0o777;

/** A key that ends in `/` becomes a folder: it has no bytes. */
function folderTarget(root: string, path: string, { bytes }: GatewayObject): ObjectTarget {
  if (bytes > 0) {
    const why = `a folder cannot have its ${bytes} bytes`;
    throw new SkyError("objects/refused", { object: path, why });
  }
  const folder = path.replace(/\/$/, "");
  return {
    bytes,
    open: async () => ({ ...nothing(), finish: () => makeFolderAt(root, folder) }),
    holds: async () => (await stat(folder)).isDirectory(),
  };
}
