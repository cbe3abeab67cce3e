// Reads what the checks of SKY_HOME look at. Lists names and modes, and opens no file but
// config.yaml and the pools file. What must always hold: a look changes nothing, and a file that
// is not right is a finding and no failure.

import {
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  realpathSync,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { type Config, defaultConfig } from "../model/config.ts";
import { errorText } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import type { HomeEntry, HomeReading, PoolsSeen } from "./doctor-home.ts";
import { isAllowed, onPath, textOf } from "./doctor-machine-os.ts";
import { mountOf, parseMounts } from "./mounts.ts";

/** Deep enough for `clusters/<name>/nodes/<id>/state/<file>`. */
const depthMax = 6;
const entriesMax = 20_000;
/** Compiled code of ours, and what users' programs keep: not ours to judge. */
const passedOver = /^(cache|clusters\/[^/]+\/nodes\/[^/]+\/home|clusters\/[^/]+\/workdirs)$/;

export interface ConfigReading {
  readonly config: Config;
  /** Why it is not valid: then the defaults stand in. Empty = it is. */
  readonly error: string;
}

export async function readConfigOf(home: Home): Promise<ConfigReading> {
  const text = textOf(home.config);
  if (text.trim() === "") return { config: defaultConfig, error: "" };
  const { parseConfig } = await import("../model/config-file.ts");
  try {
    return { config: parseConfig(home.config, text), error: "" };
  } catch (error) {
    return { config: defaultConfig, error: errorText(error) };
  }
}

export async function readHome({ root, pools }: Home, configError: string): Promise<HomeReading> {
  const stat = statSync(root, { throwIfNoEntry: false });
  const kind = stat === undefined ? "missing" : stat.isDirectory() ? "folder" : "something-else";
  const place = nearestFolder(root);
  const { bavail, bsize, ffree } = statfsSync(place);
  return {
    ...{ root, kind, configError },
    isWritable: isAllowed(place, constants.W_OK | constants.X_OK | constants.R_OK),
    isOurs: stat === undefined || stat.uid === process.getuid?.(),
    entries: kind === "folder" ? entriesIn(root) : [],
    freeBytes: bavail * bsize,
    freeInodes: ffree,
    fileSystem: mountOf(place, parseMounts(textOf("/proc/self/mountinfo")))?.type ?? "",
    ...(existsSync(pools) ? { pools: await poolsIn(root) } : {}),
  };
}

async function poolsIn(root: string): Promise<PoolsSeen> {
  const { loadPools } = await import("../clouds/ssh/pools-file-os.ts");
  const hasSsh = onPath("ssh").path !== undefined;
  try {
    const pools = await loadPools(root);
    return { hosts: pools.reduce((sum, { hosts }) => sum + hosts.length, 0), error: "", hasSsh };
  } catch (error) {
    return { hosts: 0, error: errorText(error).split("\n")[0] ?? "", hasSsh };
  }
}

/** The folder itself, or the one that it would be made in. */
function nearestFolder(path: string): string {
  let folder = path;
  while (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    folder = dirname(folder);
  }
  return realpathSync(folder);
}

export interface SizedEntry extends HomeEntry {
  readonly bytes: number;
}

/** The home and what lies in it, parents first; links are not followed. */
export function entriesIn(root: string): readonly SizedEntry[] {
  const entries: SizedEntry[] = [];
  const waiting = [{ path: "", depth: 0 }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (entries.length >= entriesMax) break;
    const { path, depth } = next;
    const entry = entryAt(root, path);
    if (entry === undefined) continue;
    entries.push(entry);
    if (!entry.isFolder || depth >= depthMax || passedOver.test(path)) continue;
    for (const name of namesIn(`${root}/${path}`)) {
      waiting.push({ path: path === "" ? name : `${path}/${name}`, depth: depth + 1 });
    }
  }
  return entries;
}

function entryAt(root: string, path: string): SizedEntry | undefined {
  const stat = lstatSync(`${root}/${path}`, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return undefined;
  return { path, isFolder: stat.isDirectory(), mode: stat.mode & 0o777, bytes: stat.size };
}

/** The names in a folder; none where it is gone or not for us. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
