// Which trees are laid out whole on this node, and when: what nobody changed since is not read.
//
// A record is a file in the agent's own folder, for one place. Its content names the tree, and its
// own time of change is the moment, by the clock of the file system that also dates the changes of
// what was laid out. It is written when all is there. Times of change cannot be set by anybody:
// what another tree laid out in between, to its end or not, was changed since.

import { createHash } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";

/** A tree at a place. */
export interface LaidTree {
  /** Absolute. */
  readonly path: string;
  readonly digest: string;
  readonly isFile: boolean;
}

export class LaidTrees {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Does the work, which is told since when all of the tree is there, if it is. */
  async laying(laid: LaidTree, work: (sinceNs: bigint | undefined) => Promise<unknown>) {
    const record = this.#recordOf(laid.path);
    const text = `${laid.digest} ${laid.isFile} ${laid.path}\n`;
    const known = await readFile(record, "utf8").catch(orNothing);
    const isKnown = known === text;
    const sinceNs = isKnown ? (await stat(record, { bigint: true })).ctimeNs : undefined;
    await work(sinceNs);
    if (!isKnown) await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeFile(record, text, { mode: 0o600 });
  }

  #recordOf(path: string): string {
    return `${this.#dir}/${createHash("sha256").update(path).digest("hex")}`;
  }
}

function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
