// The destinations that a gateway writes, made of its program: folders of this machine, and what
// takes everything and keeps nothing.
//
// What must always hold: no object becomes a file outside its destination's folder, whatever its
// key says and whatever links are on the way; what a file is begun under is named in the leftovers
// first.

import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { makeFolders, missingAbove } from "../../runtime/folders-os.ts";
import { noRoom } from "../../runtime/room-os.ts";
import { openChunkJournal } from "../chunks/journal-os.ts";
import { holdsObject } from "../chunks/object-bytes-os.ts";
import type { FileAttributes, ObjectFile } from "../chunks/object-file-os.ts";
import { openObjectFile } from "../chunks/object-file-os.ts";
import type { ObjectTarget } from "../chunks/receive.ts";
import { fileFactsOf } from "../stores/file-attributes.ts";
import { fileError } from "../stores/file-errors.ts";
import { pathWithin } from "../stores/file-keys.ts";
import { makeFolderAt, makeWay } from "../stores/folder-way-os.ts";
import type { Destination } from "./destination.ts";
import type { Leftovers } from "./leftovers-os.ts";
import type { Meter } from "./meters.ts";
import type { GatewayObject } from "./orders.ts";
import type { Discard, WriteLocal } from "./program.ts";

export interface DestinationPorts {
  /** Of this transfer at this gateway: journals are in it. */
  readonly dir: string;
  readonly locks: string;
  readonly transfer: string;
  readonly leftovers: Leftovers;
  readonly meter: Meter;
  /** Reads each file once more before it has its name. */
  readonly isProven: boolean;
}

type Target = ObjectTarget & { readonly attributes?: FileAttributes };

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
    proof: ports.isProven ? "read" : "none",
    target: (object) => files.target(object, object.targets[destination] ?? ""),
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
    target: async ({ bytes }) => ({
      bytes,
      open: async () => nowhere(),
      holds: async () => false,
    }),
    close: () => journal.close(),
  };
}

function journalOf(destination: number, { dir, locks, transfer }: DestinationPorts) {
  return openChunkJournal({ path: join(dir, `write-${destination}.journal`), transfer, locks });
}

class FileTargets {
  readonly #folder: string;
  readonly #ports: DestinationPorts;
  /** Folders that are there and within. */
  readonly #ways = new Map<string, Promise<void>>();
  #root: Promise<void> | undefined;

  constructor(folder: string, ports: DestinationPorts) {
    this.#folder = folder;
    this.#ports = ports;
  }

  async target(object: GatewayObject, key: string): Promise<Target> {
    const path = pathWithin(this.#folder, key);
    try {
      this.#root ??= this.#makeRoot();
      await this.#root;
      if (key.endsWith("/")) return folderTarget(this.#folder, path, object);
      await this.#makeWay(path);
      if (object.bytes > 0) await this.#ports.leftovers.partial(path);
      return this.#file(object, path);
    } catch (error) {
      throw fileError(error, path, (cause) => noRoom(path, cause));
    }
  }

  #file(object: GatewayObject, path: string): Target {
    const { transfer, locks, isProven: proveAtEnd } = this.#ports;
    const { bytes } = object;
    const file = { path, bytes, transfer, locks, proveAtEnd };
    return {
      ...{ bytes, attributes: attributesOf(object) },
      open: async (journal) => {
        try {
          return await openObjectFile({ ...file, openJournal: async () => journal });
        } catch (error) {
          throw fileError(error, path, (cause) => noRoom(path, cause));
        }
      },
      holds: (manifest) => holdsObject(path, manifest),
    };
  }

  /** The destination's own folder may be a link: the user named it. */
  async #makeRoot(): Promise<void> {
    const { leftovers } = this.#ports;
    const inside = join(this.#folder, "any");
    await leftovers.folders(missingAbove(inside));
    makeFolders(this.#folder, folderMode);
  }

  #makeWay(path: string): Promise<void> {
    const folder = dirname(path);
    const known = this.#ways.get(folder);
    if (known !== undefined) return known;
    const making = this.#make(path);
    if (this.#ways.size >= waysMax) this.#ways.clear();
    this.#ways.set(folder, making);
    making.catch(() => this.#ways.delete(folder));
    return making;
  }

  async #make(path: string): Promise<void> {
    await this.#ports.leftovers.folders(missingAbove(path));
    await makeWay(this.#folder, path);
  }
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
function folderTarget(root: string, path: string, { bytes }: GatewayObject): Target {
  if (bytes > 0) {
    const why = `a folder cannot have its ${bytes} bytes`;
    throw new SkyError("objects/refused", { object: path, why });
  }
  const folder = path.replace(/\/$/, "");
  return {
    bytes,
    open: async () => ({ ...nowhere(), finish: () => makeFolderAt(root, folder) }),
    holds: async () => (await stat(folder)).isDirectory(),
  };
}

function nowhere(): ObjectFile {
  return {
    known: new Map(),
    put: async () => {},
    missing: () => [],
    finish: async () => {},
    abort: async () => {},
    close: async () => {},
  };
}
