// What nodes of other clusters have laid out on this host: they share its HOME.
//
// Each cluster's folder holds what its node has on record, so a look into the folders beside ours
// tells. A place that two have is left alone by the first that goes, and handed over: whoever goes
// last takes it away.
//
// What must always hold: nothing of ours is removed that a node beside us has on record.

import { readdir, readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { addToList, type LaidList } from "./laid-lists-os.ts";

/** A place that another cluster's node has on record. */
export interface NeighbourPlace {
  /** The cluster's folder on the host: `train-1a2b3c4d`. */
  readonly folder: string;
  /** Where its records are. */
  readonly laidDir: string;
  readonly digest: string;
  readonly path: string;
}

/** `laidDir`: where our own records are, as `DIR/node/state/laid`. */
export async function neighbourPlaces(laidDir: string): Promise<readonly NeighbourPlace[]> {
  const own = dirname(dirname(dirname(laidDir)));
  const all = dirname(own);
  const names = (await readdir(all).catch(orNothing)) ?? [];
  const found = await Promise.all(
    names
      .filter((name) => name !== basename(own))
      .map((folder) => placesOf(folder, `${all}/${folder}${laidDir.slice(own.length)}`)),
  );
  return found.flat();
}

/** Whether what is done at one of them is done to the other. */
export function areNested(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** From here on it is for the other to take it away. */
export async function handOver(
  { laidDir }: NeighbourPlace,
  { name, list }: { readonly name: string; readonly list: LaidList },
): Promise<void> {
  await addToList(`${laidDir}/${name}`, list);
}

async function placesOf(folder: string, laidDir: string): Promise<readonly NeighbourPlace[]> {
  const names = (await readdir(laidDir).catch(orNothing)) ?? [];
  const places: NeighbourPlace[] = [];
  for (const name of names.filter((one) => /^[0-9a-f]{64}$/.test(one))) {
    const text = (await readFile(`${laidDir}/${name}`, "utf8").catch(orNothing)) ?? "";
    const [, digest, path] = /^(\S+) (?:true|false) (.*)\n$/s.exec(text) ?? [];
    if (digest !== undefined && path !== undefined) places.push({ folder, laidDir, digest, path });
  }
  return places;
}

function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}
