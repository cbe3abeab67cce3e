// Where a file mount belongs on a node. Pure.
//
// A relative destination is a place in the job's workdir, and `~/…` one in the node's home. Any
// other absolute path keeps its data in the home too, and gets a link that leads there: a node owns
// nothing outside its folder. Source: SkyPilot's documentation of `file_mounts`.

import { isAbsolute, join, normalize } from "node:path/posix";
import { isSkyError, SkyError } from "../model/errors.ts";
import { type NodeHome, workdirName } from "../model/home.ts";
import type { RankMount, RankSpec } from "../proto/messages.ts";

export type MountPlace =
  /** Below the job's workdir; `.` is the workdir itself. */
  | { readonly kind: "workdir"; readonly path: string }
  /** An absolute path in the node's home. */
  | { readonly kind: "home"; readonly path: string }
  /** The same, and where a link shows it. */
  | { readonly kind: "link"; readonly path: string; readonly link: string };

export interface PlacedMount {
  readonly mount: RankMount;
  readonly place: MountPlace;
}

/** In a node's home: what is the node's, and no job's; on a host also what its user's `sky` has. */
const stateNames = [".sky", ".skylet"];

type Places = Pick<NodeHome, "home" | "workdir" | "linked">;

/** In the order in which they are laid out: what is in something comes after it. */
export function placeMounts(mounts: readonly RankMount[], home: Places): readonly PlacedMount[] {
  const placed = mounts.map((mount) => ({ mount, place: mountPlace(mount.destination, home) }));
  const depth = ({ place }: PlacedMount): number =>
    place.path === "." ? 0 : place.path.split("/").length;
  return placed.sort((a, b) => depth(a) - depth(b));
}

/** @throws SkyError `process/failed` for a destination that is none. */
export function mountPlace(destination: string, places: Places): MountPlace {
  const { home, linked } = places;
  const refused = (why: string): SkyError => mountFailure(destination, why);
  if (destination.includes("\0")) throw refused("a path holds no NUL byte");
  const isOfHome = destination === "~" || destination.startsWith("~/");
  if (destination.startsWith("~") && !isOfHome) throw refused("only the node's own `~` is known");
  const whole = isOfHome ? join(home, destination.slice(1)) : destination;
  if (!isAbsolute(whole)) {
    const path = trimmed(whole);
    if (path === ".." || path.startsWith("../")) throw refused("it leads out of the workdir");
    return { kind: "workdir", path };
  }
  const path = trimmed(whole);
  if (path === "/") throw refused("a whole disk cannot be one");
  if (home === path || home.startsWith(`${path}/`)) throw refused("the node's home is in there");
  // By the name that everybody knows, too, where the folder has another.
  for (const name of [places.workdir, workdirName]) {
    const workdir = join(home, name);
    if (path === workdir) return { kind: "workdir", path: "." };
    if (path.startsWith(`${workdir}/`)) {
      return { kind: "workdir", path: path.slice(workdir.length + 1) };
    }
  }
  if (stateNames.some((name) => `${path}/`.startsWith(`${home}/${name}/`))) {
    throw refused("the node's own state is there");
  }
  if (path.startsWith(`${home}/`)) return { kind: "home", path };
  if (isOfHome) throw refused("it leads out of the node's home");
  return { kind: "link", path: join(linked, path), link: path };
}

/** What a workdir holds by the word of a rank: places in it, and what is there. */
export function workdirSlots(
  { workdirTree, workdirSource }: Pick<RankSpec, "workdirTree" | "workdirSource">,
  mounts: readonly PlacedMount[],
): ReadonlyMap<string, string> {
  const slots = new Map<string, string>();
  const whole = workdirTree?.digest ?? workdirSource;
  if (whole !== undefined) slots.set(".", whole);
  for (const { mount, place } of mounts) {
    if (place.kind !== "workdir") continue;
    if (place.path === "." && whole !== undefined) {
      throw mountFailure(mount.destination, "the job's workdir is there");
    }
    slots.set(place.path, `${mount.tree.digest}${mount.isFile ? " file" : ""}`);
  }
  return slots;
}

const mountWord = "the file mount ";

/** Whether it is one of a file mount. */
export function isMountFailure(error: unknown): boolean {
  return isSkyError(error) && String(error.params["what"]).startsWith(mountWord);
}

/** Names the mount as the user wrote it. */
export function mountFailure(destination: string, why: string, cause?: unknown): SkyError {
  const what = `${mountWord}${destination}`;
  return new SkyError("process/failed", { what, why }, { cause });
}

function trimmed(path: string): string {
  const plain = normalize(path);
  return plain.length > 1 && plain.endsWith("/") ? plain.slice(0, -1) : plain;
}
