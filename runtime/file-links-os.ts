// Links outside a node's folder: how a file mount at `/a/b` leads into the node's home.
//
// A link is made where nothing is, or where one stands that leads to a mount of a node of this
// home; whatever else is there is refused by name and never touched. It is on record in the node's
// folder, flushed before it is made, with the folders that were made for it: so whoever removes
// the node removes them too, and nothing that others put there since.

import {
  lstat,
  open,
  readFile,
  readlink,
  realpath,
  rename,
  rmdir,
  symlink,
  unlink,
} from "node:fs/promises";
import { dirname } from "node:path";
import { errorText, SkyError } from "../model/errors.ts";
import type { NodeHome } from "../model/home.ts";
import { nodeHomeAt } from "../model/home.ts";
import { makeFolders } from "./folders-os.ts";
import { tempBeside } from "./tree-os.ts";

export interface FileLinks {
  /** @throws SkyError `process/failed` if something else is at `path`. */
  demandFree(path: string): Promise<void>;
  /**
   * A link at `path`, with the folders above it.
   * @throws as `demandFree`; what the file system throws.
   */
  place(path: string, target: string): Promise<void>;
}

/** What is on record of one link. */
interface LinkRecord {
  readonly path: string;
  readonly target: string;
  /** Folders that were made for it, the outermost first. */
  readonly made: readonly string[];
}

const racesMax = 5;
/** What comes between a node's folder and the data of its links. */
const mountsBelow = "/home/.sky/file_mounts/";

export function fileLinksOf(home: NodeHome): FileLinks {
  const homes = homesOf(home);
  return {
    demandFree: async (path) => {
      if (!(await isShown(path, homes))) await standing(path, homes);
    },
    place: async (path, target) => {
      if (await isShown(path, homes)) return;
      for (let races = 0; ; races += 1) {
        try {
          await placeOnce(home, homes, { path, target });
          return;
        } catch (error) {
          // Another node of this machine was sooner.
          if (codeOf(error) !== "EEXIST" || races === racesMax) throw error;
        }
      }
    },
  };
}

/**
 * Removes what is on record of a node, where it still is as it was made.
 * @returns what could not be removed, as sentences.
 */
export async function removeFileLinks(home: NodeHome): Promise<readonly string[]> {
  const left: string[] = [];
  const unless = async (expected: readonly string[], work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      if (!expected.includes(String(codeOf(error)))) left.push(errorText(error));
    });
  };
  for (const { path, target, made } of (await recordsOf(home)).toReversed()) {
    // What is no link is not ours, and what cannot be read is told of by `unlink`.
    const found = await readlink(path).catch((error: unknown) =>
      codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT" ? undefined : target,
    );
    if (found === target) await unless(["ENOENT", "ENOTDIR"], unlink(path));
    for (const folder of made.toReversed()) {
      await unless(["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR"], rmdir(folder));
    }
  }
  return left;
}

async function placeOnce(
  home: NodeHome,
  homes: string,
  { path, target }: { readonly path: string; readonly target: string },
): Promise<void> {
  const there = await standing(path, homes);
  const records = await recordsOf(home);
  if (there === target && records.some((one) => one.path === path && one.target === target)) return;
  const made = there === undefined ? await missingAbove(path) : await madeFor(path, there);
  await keep(home, { path, target, made });
  makeFolders(dirname(path), 0o755);
  if (there === target) return;
  if (there === undefined) {
    await symlink(target, path);
    return;
  }
  // Whoever follows it meanwhile finds the one or the other.
  const temp = tempBeside(path);
  await symlink(target, temp);
  await rename(temp, path);
}

/** Whether a link of ours further up leads there already: of a mount that this one is in. */
async function isShown(path: string, homes: string): Promise<boolean> {
  // The nearest folder that is there: what is below it in the mount may just be made by another
  // node of this machine, to which the link leads at the moment.
  let above: string | undefined;
  for (let at = dirname(path); above === undefined; at = dirname(at)) {
    above = await realpath(at).catch(orNothing);
    if (at === dirname(at)) break;
  }
  if (above === undefined) return false;
  return above.startsWith(`${await realpath(homes)}/`) && `${above}/`.includes(mountsBelow);
}

/** Where a link of ours at `path` leads; `undefined` for nothing there. */
async function standing(path: string, homes: string): Promise<string | undefined> {
  const refused = (what: string): SkyError => {
    const why = `${what} is there already, and stays; choose another destination, or remove it`;
    return new SkyError("process/failed", { what: path, why });
  };
  const found = await lstat(path).catch(orNothing);
  if (found === undefined) return undefined;
  if (!found.isSymbolicLink()) throw refused(found.isDirectory() ? "a folder" : "a file");
  const target = await readlink(path);
  if (target.startsWith(`${homes}/`) && target.includes(mountsBelow)) return target;
  throw refused(`a link to ${target}`);
}

/** Below which all nodes of a home are; see `model/home.ts`. */
function homesOf({ root }: NodeHome): string {
  return /^(.+)\/clusters\/[^/]+\/nodes\/[^/]+$/.exec(root)?.[1] ?? root;
}

async function missingAbove(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if ((await lstat(folder).catch(orNothing)) !== undefined) break;
    missing.unshift(folder);
  }
  return missing;
}

/** What the node to which the link led so far had made for it: whoever goes last removes it. */
async function madeFor(path: string, target: string): Promise<readonly string[]> {
  const root = target.slice(0, target.indexOf(mountsBelow));
  const records = await recordsOf(nodeHomeAt(root));
  return records.findLast((record) => record.path === path)?.made ?? [];
}

function recordPath({ state }: NodeHome): string {
  return `${state}/links`;
}

/** A line that was cut off tells of a link that was not made yet. */
async function recordsOf(home: NodeHome): Promise<readonly LinkRecord[]> {
  const text = (await readFile(recordPath(home), "utf8").catch(orNothing)) ?? "";
  return text.split("\n").flatMap((line): readonly LinkRecord[] => {
    try {
      return line === "" ? [] : [JSON.parse(line) as LinkRecord];
    } catch (error) {
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  });
}

async function keep(home: NodeHome, record: LinkRecord): Promise<void> {
  const file = await open(recordPath(home), "a", 0o600);
  try {
    // It begins a line, also after one that was cut off.
    await file.appendFile(`\n${JSON.stringify(record)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

function orNothing(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
