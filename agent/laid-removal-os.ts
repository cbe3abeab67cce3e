// Takes away what was laid out in a home that is not ours, and nothing else.
//
// Every file that looks as it did when it was laid out goes (`laid-lists-os.ts`), and every folder
// of ours that is empty then. What a job made or changed stays where it is, and is told of with its
// count. Data of file mounts that are elsewhere by a link is in our own folder, which goes: what a
// job made there is moved into the home first.
//
// What must always hold: no link is followed; nothing is removed that is not on a list.

import type { Dirent } from "node:fs";
import {
  chmod,
  cp,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rmdir,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorText } from "../model/errors.ts";
import type { NodeHome } from "../model/home.ts";
import { removeFileLinks } from "../runtime/file-links-os.ts";
import type { LaidList, LaidPart } from "./laid-lists-os.ts";
import { lookOf, pathIn, readList } from "./laid-lists-os.ts";
import { areNested, handOver, type NeighbourPlace, neighbourPlaces } from "./laid-neighbours-os.ts";
import { ownWorkdirsName } from "./workdir-folders.ts";

/** In the home: what jobs made in places that are not there any more. */
const keptName = "sky_kept";

/**
 * What cannot be removed stays too, and is told of with the reason.
 * @returns what stays, for people: `~/sky_workdir: 3 files that jobs made or changed`.
 */
export async function removeLaid(home: NodeHome, cluster: string): Promise<readonly string[]> {
  const laidDir = `${home.state}/laid`;
  const lists = await ownLists(laidDir, await neighbourPlaces(laidDir));
  // What is in something goes before it.
  lists.sort((a, b) => b.path.length - a.path.length);
  const kept: string[] = [];
  const removing = async (path: string, work: () => Promise<readonly string[]>): Promise<void> => {
    const told = await work().catch((error: unknown) => [
      `${shown(home, path)}: it cannot be removed: ${errorText(error)}`,
    ]);
    kept.push(...told);
  };
  const workdirs = await workdirsOf(home);
  const isOther = (path: string): boolean =>
    ![...workdirs, home.linked].some((one) => path === one || path.startsWith(`${one}/`));
  for (const list of lists) {
    await removing(list.path, async () => {
      const changed = await removeList(list);
      return isOther(list.path) ? told(home, list.path, changed) : [];
    });
  }
  for (const workdir of workdirs) {
    await removing(workdir, async () => told(home, workdir, await prune(workdir)));
  }
  const own = join(home.home, ownWorkdirsName(home.workdir));
  await removing(own, () => removeIfEmpty(own).then(() => []));
  await removing(home.linked, () => rescue(home, cluster));
  kept.push(...(await removeFileLinks(home)));
  return kept;
}

/** Without those of places that another cluster has: they are handed over to that one. */
async function ownLists(dir: string, others: readonly NeighbourPlace[]): Promise<LaidList[]> {
  const names = (await readdir(dir).catch(orNothing)) ?? [];
  const own: LaidList[] = [];
  for (const name of names.filter((one) => one.endsWith(".list"))) {
    const list = await readList(`${dir}/${name}`);
    if (list === undefined) continue;
    const other = others.find(({ path }) => areNested(path, list.path));
    if (other === undefined) own.push(list);
    else await handOver(other, { name, list });
  }
  return own;
}

async function workdirsOf({ home, workdir }: NodeHome): Promise<readonly string[]> {
  const own = join(home, ownWorkdirsName(workdir));
  const jobs = (await readdir(own).catch(orNothing)) ?? [];
  return [...jobs.map((job) => join(own, job)), join(home, workdir)];
}

/** @returns how many of its files were changed. */
async function removeList({ path, made, parts }: LaidList): Promise<number> {
  const within = new Within(path);
  let changed = 0;
  const folders: string[] = [];
  for (const [name, part] of parts) {
    if (part.kind === "folder") folders.push(name);
    else if (!(await within.holds(name))) continue;
    else if (await isAsLaid(pathIn(path, name), part)) await remove(pathIn(path, name));
    else if ((await lookAt(pathIn(path, name))) !== undefined) changed += 1;
  }
  for (const name of folders.sort((a, b) => b.length - a.length)) {
    if (await within.holds(name)) await removeIfEmpty(pathIn(path, name));
  }
  for (const folder of made.toReversed()) await removeIfEmpty(folder);
  return changed;
}

async function isAsLaid(path: Buffer, part: Exclude<LaidPart, { kind: "folder" }>) {
  const found = await lookAt(path);
  if (found === undefined) return false;
  if (part.kind === "file") return found.isFile() && lookOf(found) === part.look;
  if (!found.isSymbolicLink()) return false;
  return (await readlink(path, { encoding: "latin1" }).catch(orNothing)) === part.target;
}

/** Which folders of a place are still there, and not a link to somewhere else. */
class Within {
  readonly #place: string;
  readonly #known = new Map<string, Promise<boolean>>();

  constructor(place: string) {
    this.#place = place;
  }

  /** Whether the folder that a part is in is one of the place. What is above that is the user's. */
  async holds(part: string): Promise<boolean> {
    return part === "" || (await this.#isFolder(above(part)));
  }

  #isFolder(folder: string): Promise<boolean> {
    const known = this.#known.get(folder) ?? this.#look(folder);
    this.#known.set(folder, known);
    return known;
  }

  async #look(folder: string): Promise<boolean> {
    if (folder !== "" && !(await this.#isFolder(above(folder)))) return false;
    return (await lookAt(pathIn(this.#place, folder)))?.isDirectory() === true;
  }
}

function above(part: string): string {
  return part.slice(0, Math.max(0, part.lastIndexOf("/")));
}

/** Files that are left below a folder; folders with none in them go. */
async function prune(folder: string): Promise<number> {
  let files = 0;
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files += await prune(path);
    else files += 1;
  }
  if (files === 0) await removeIfEmpty(folder);
  return files;
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  const found = await lookAt(Buffer.from(folder));
  if (found?.isDirectory() !== true) return [];
  return await readdir(folder, { withFileTypes: true });
}

/** What jobs made where links lead: our own folder goes, and these must not. */
async function rescue(home: NodeHome, cluster: string): Promise<readonly string[]> {
  const count = await prune(home.linked);
  if (count === 0) return [];
  const safe = join(home.home, keptName, cluster);
  await mkdir(dirname(safe), { recursive: true, mode: 0o755 });
  try {
    await rename(home.linked, safe);
  } catch (error) {
    // Our folder is on another file system.
    if (codeOf(error) !== "EXDEV") throw error;
    await cp(home.linked, safe, { recursive: true, preserveTimestamps: true });
  }
  return told(home, safe, count);
}

function told(home: NodeHome, path: string, count: number): readonly string[] {
  if (count === 0) return [];
  const where = shown(home, path);
  if (count === 1) return [`${where}: a file that a job made or changed`];
  return [`${where}: ${count} files that jobs made or changed`];
}

function shown({ home }: NodeHome, path: string): string {
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

async function remove(path: Buffer): Promise<void> {
  await writably(path, () => unlink(path));
}

async function removeIfEmpty(path: string | Buffer): Promise<void> {
  const keeps = new Set(["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR", "EBUSY"]);
  try {
    await writably(Buffer.from(path), () => rmdir(path));
  } catch (error) {
    if (!keeps.has(codeOf(error))) throw error;
  }
}

/** A workdir may have folders that nobody may write into, as the source has. */
async function writably(path: Buffer, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    const above = path.subarray(0, path.lastIndexOf("/"));
    const { mode } = await lstat(above);
    await chmod(above, (mode & 0o7777) | 0o700);
    await work();
  }
}

async function lookAt(path: Buffer) {
  return await lstat(path, { bigint: true }).catch(orNothing);
}

function orNothing(error: unknown): undefined {
  if (["ENOENT", "ENOTDIR", "EINVAL"].includes(codeOf(error))) return undefined;
  throw error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
