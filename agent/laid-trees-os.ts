// Which trees are laid out whole on this node, and when: what nobody changed since is not read.
//
// A record is a file in the agent's own folder, for one place. Its content names the tree, and its
// own time of change is the moment, by the clock of the file system that also dates the changes of
// what was laid out. It is written when all is there. Times of change cannot be set by anybody:
// what another tree laid out in between, to its end or not, was changed since.
//
// Where a node is not a folder of ours that goes whole, what was laid out is on record file by file
// too (`laid-lists-os.ts`).

import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { SkyError } from "../model/errors.ts";
import type { PartLaid } from "../transfer/tree/unpack-os.ts";
import { keepList } from "./laid-lists-os.ts";
import { neighbourPlaces } from "./laid-neighbours-os.ts";

/** A tree at a place. */
export interface LaidTree {
  /** Absolute. */
  readonly path: string;
  readonly digest: string;
  readonly isFile: boolean;
  /** Folders above it that were made for it. */
  readonly made?: readonly string[];
}

/** What unpacking is told, and whom it tells. */
export interface LaidBefore {
  /** All of the tree is there since then. */
  readonly sinceNs: bigint | undefined;
  readonly onLaid: ((part: PartLaid) => void) | undefined;
}

export class LaidTrees {
  readonly #dir: string;
  readonly #keepsLists: boolean;

  constructor(dir: string, keepsLists = false) {
    this.#dir = dir;
    this.#keepsLists = keepsLists;
  }

  /** Does the work, which is told since when all of the tree is there, if it is. */
  async laying(laid: LaidTree, work: (known: LaidBefore) => Promise<unknown>): Promise<void> {
    const record = this.#recordOf(laid.path);
    const text = `${laid.digest} ${laid.isFile} ${laid.path}\n`;
    const known = await readFile(record, "utf8").catch(orNothing);
    const isKnown = known === text;
    const sinceNs = isKnown ? (await stat(record, { bigint: true })).ctimeNs : undefined;
    if (!isKnown) await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (this.#keepsLists) await this.#demandFree(laid);
    const parts: PartLaid[] = [];
    const onLaid = this.#keepsLists ? (part: PartLaid) => void parts.push(part) : undefined;
    try {
      await work({ sinceNs, onLaid });
    } finally {
      // Also what was laid out until it failed.
      if (parts.length > 0) await keepList(`${record}.list`, laid, parts);
    }
    await writeFile(record, text, { mode: 0o600 });
  }

  /** Another cluster's jobs must find there what was put there for them. */
  async #demandFree({ path, digest }: LaidTree): Promise<void> {
    for (const other of await neighbourPlaces(this.#dir)) {
      if (other.path !== path || other.digest === digest) continue;
      const why = `cluster ${other.folder.replace(/-[^-]*$/, "")} has other files there`;
      const hint = "choose another destination, or take that cluster down";
      throw new SkyError("process/failed", { what: path, why: `${why}; ${hint}` });
    }
  }

  #recordOf(path: string): string {
    return `${this.#dir}/${createHash("sha256").update(path).digest("hex")}`;
  }
}

function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
