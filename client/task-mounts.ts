// `file_mounts:`: files of this machine, and buckets, that a task finds on its nodes. Pure.
//
// Each entry is checked by itself, then all destinations against each other: two things cannot be
// in one place, and nothing can be inside of a file.
// Source: SkyPilot's file mounts, 0.3.0 and 0.14.1, for the rules and their words.

import type { Findings } from "../model/field-values.ts";
import { readText, refuse } from "../model/field-values.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { FileMount } from "../model/task.ts";
import type { Entry } from "../model/value-tree.ts";
import { isNull, shown } from "../model/value-tree.ts";
import { needsCloud } from "./task-choice.ts";
import type { Kind } from "./task-kinds.ts";
import { absolutePath, type TaskWorld } from "./task-path.ts";
import type { StorageSaid } from "./task-storage.ts";
import { bucketUri, checkStorage, storage, storageText, uriProblem } from "./task-storage.ts";

type Source =
  | { readonly kind: "path"; readonly path: string; readonly typed: string }
  | { readonly kind: "storage"; readonly said: StorageSaid };

export interface MountSaid {
  readonly destination: string;
  readonly destinationPlace: Place;
  readonly source: Source;
  readonly place: Place;
}

const sourceCalled = "a path, a bucket's URI or a storage mapping";

/**
 * What an editor can tell of a destination: no slash at its end, no user's home, not the node's
 * state. Variables are not filled in yet.
 */
const destinationPattern = /^(?!~\/*$)(?!~[^/$])(?!~\/\.sky(\/|$))(?=[\s\S]*\S)[\s\S]*[^/]$/;

/** Destinations to sources, in the order of the file. */
export const fileMounts: Kind<readonly MountSaid[]> = {
  schema: {
    type: "object",
    propertyNames: { pattern: destinationPattern.source },
    additionalProperties: { anyOf: [{ type: "string", minLength: 1 }, storage.schema] },
  },
  called: `a mapping of destinations, each to ${sourceCalled}`,
  read: (tree, name, found) => {
    if (isNull(tree)) return undefined;
    if (tree.kind === "map") return tree.entries.flatMap((entry) => readMount(entry, found));
    return refuse(found, tree.place, `${name} should be a mapping, not ${shown(tree)}`);
  },
};

function readMount({ key, keyPlace, value }: Entry, found: Findings): readonly MountSaid[] {
  const source = readSource(key, value, found);
  if (source === undefined) return [];
  return [{ destination: key, destinationPlace: keyPlace, source, place: value.place }];
}

function readSource(key: string, value: Entry["value"], found: Findings): Source | undefined {
  const isText = value.kind === "scalar" && typeof value.value === "string";
  if (isText) {
    const path = readText(value, `the source of ${key}`, found);
    return path === undefined ? undefined : { kind: "path", path, typed: value.text };
  }
  if (value.kind === "map") {
    const said = storage.read(value, key, found);
    return said === undefined ? undefined : { kind: "storage", said };
  }
  const what = `Unable to parse file_mount ${JSON.stringify(key)}`;
  return refuse(found, value.place, `${what}: it should be ${sourceCalled}, not ${shown(value)}`);
}

interface Checking {
  readonly world: TaskWorld;
  readonly found: Findings;
  /** Whether the task has one, good or not. */
  readonly hasWorkdir: boolean;
}

export interface Mounts {
  readonly mounts: readonly FileMount[];
  /** What would come from buckets: sources as they are written. */
  readonly buckets: readonly FileMount[];
  /** One for each bucket. */
  readonly needs: readonly Problem[];
}

/** The mounts of files; they are whole only if nothing went to `found`. */
export function mountsOf(said: readonly MountSaid[], checking: Checking): Mounts {
  const mounts: FileMount[] = [];
  const buckets: FileMount[] = [];
  const needs: Problem[] = [];
  const taken: Taken[] = [];
  for (const mount of said) {
    const destination = checkDestination(mount, checking);
    const source = checkSource(mount, checking);
    if (destination !== undefined) {
      checkAgainst(taken, { ...destination, isFile: source?.isFile === true, mount }, checking);
    }
    if (source === undefined || destination === undefined) continue;
    const all = source.needs === undefined ? mounts : buckets;
    all.push({ destination: destination.path, source: source.path });
    if (source.needs !== undefined) needs.push(source.needs);
  }
  return { mounts, buckets, needs };
}

interface Destination {
  /** As a node takes it: `~/…`, absolute, or relative to the workdir. */
  readonly path: string;
  /** With the workdir spelt out, so that two of one place are the same. */
  readonly whole: string;
}

/** Where nodes lay out the workdir. Source: SkyPilot. */
const workdirPath = "~/sky_workdir";

/** Where nodes keep their state, among it the files of absolute mounts. Source: SkyPilot. */
const statePath = "~/.sky";

function checkDestination(
  { destination, destinationPlace: place }: MountSaid,
  { found, hasWorkdir }: Checking,
): Destination | undefined {
  const typed = JSON.stringify(destination);
  if (bucketUri(destination) !== undefined) {
    const what = "File mount destination paths cannot be cloud storage";
    return refuse(found, place, `${what}, as ${typed} is`);
  }
  const wrong = destinationProblem(destination);
  if (wrong !== undefined) {
    return refuse(found, place, `the destination ${typed} of a file mount ${wrong}`);
  }
  const path = normalized(destination);
  if (path === undefined) {
    const what = `the destination ${typed} of a file mount leaves the folder that it begins in`;
    return refuse(found, place, what);
  }
  const whole = /^[~/]/.test(path) ? path : `${workdirPath}/${path}`;
  if (whole === statePath || whole.startsWith(`${statePath}/`)) {
    const what = `the destination ${typed} of a file mount is in ${statePath}`;
    return refuse(found, place, `${what}, the node's own state: name another path`);
  }
  if (whole === workdirPath && hasWorkdir) {
    const what = `Cannot use ${typed} as a destination path of a file mount`;
    return refuse(found, place, `${what}, as it will be used by the workdir: name a path inside`);
  }
  return { path, whole };
}

function destinationProblem(destination: string): string | undefined {
  if (destination.trim() === "") return "is empty: write a path such as ~/data";
  if (destination.includes("\0")) return "has a NUL character";
  if (destination === "/" || /^~\/?$/.test(destination)) {
    return "should be a path inside, such as ~/data";
  }
  if (destination.endsWith("/")) {
    const right = JSON.stringify(destination.replace(/\/+$/, ""));
    return `ends with a slash: Mount paths cannot end with a slash, write ${right}`;
  }
  if (/^~[^/]/.test(destination)) return "should begin with ~/, for the home of the nodes";
  return undefined;
}

/** Without dots and double slashes; `undefined` if it leaves where it begins. */
function normalized(path: string): string | undefined {
  const root = /^(~\/|\/)?/.exec(path)?.[0] ?? "";
  const parts: string[] = [];
  for (const part of path.slice(root.length).split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? undefined : `${root}${parts.join("/")}`;
}

interface SourceFound {
  /** Of this machine, or what a bucket is called. */
  readonly path: string;
  readonly isFile: boolean;
  readonly needs?: Problem;
}

function checkSource(
  { source, place, destination }: MountSaid,
  { world, found }: Checking,
): SourceFound | undefined {
  if (source.kind === "storage") {
    const kindOf = (path: string) => world.kindOf(absolutePath(path, world));
    checkStorage(source.said, { kindOf, found });
    const path = storageText(source.said);
    return { path, isFile: false, needs: { place, what: needsCloud(path) } };
  }
  const { path: text, typed: written } = source;
  const typed = JSON.stringify(written);
  if (text === "") return refuse(found, place, `the source of ${destination} is empty`);
  if (text.endsWith("/")) {
    const right = JSON.stringify(written.replace(/\/+$/, ""));
    return refuse(
      found,
      place,
      `Mount paths cannot end with a slash: write ${right}, not ${typed}`,
    );
  }
  const uri = bucketUri(text);
  if (uri !== undefined) {
    const wrong = uriProblem(text, uri);
    if (wrong !== undefined) return refuse(found, place, wrong);
    return { path: text, isFile: false, needs: { place, what: needsCloud(`bucket ${typed}`) } };
  }
  const path = absolutePath(text, world);
  const kind = world.kindOf(path);
  if (kind !== "missing") return { path, isFile: kind === "file" };
  const where = path === written ? "" : ` (${path})`;
  const what = `File mount source ${typed}${where} does not exist locally`;
  return refuse(found, place, `${what}: check if it exists, and correct the path`);
}

interface Taken extends Destination {
  readonly isFile: boolean;
  readonly mount: MountSaid;
}

function checkAgainst(taken: Taken[], next: Taken, { found }: Checking): void {
  const { destination, destinationPlace: place } = next.mount;
  const typed = JSON.stringify(destination);
  const same = taken.find(({ whole }) => whole === next.whole);
  const around = taken.find(({ isFile, whole }) => isFile && next.whole.startsWith(`${whole}/`));
  const inside = taken.find(({ whole }) => next.isFile && whole.startsWith(`${next.whole}/`));
  if (same !== undefined) {
    const other = JSON.stringify(same.mount.destination);
    refuse(found, place, `${typed} is the same destination as ${other}: name each once`);
  } else if (around !== undefined) {
    const other = JSON.stringify(around.mount.destination);
    refuse(found, place, `${typed} is inside of ${other}, which is a file`);
  } else if (inside !== undefined) {
    const other = JSON.stringify(inside.mount.destination);
    refuse(found, place, `${typed} is a file, and ${other} is inside of it`);
  }
  taken.push(next);
}
