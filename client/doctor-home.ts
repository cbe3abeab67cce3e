// The checks of SKY_HOME: whether it can be used, and by its owner only.
//
// A folder that lets nobody else in protects whatever lies in it, whatever modes that has.

import { isRemoteFileSystem } from "../model/file-systems.ts";
import { bytesText, type Checks, ok, problem, someOf, type Verdict, warning } from "./doctor.ts";

export interface HomeReading {
  readonly root: string;
  /** `missing` = the first command makes it. */
  readonly kind: "folder" | "missing" | "something-else";
  /** Of the home, or of the folder that it would be made in. */
  readonly isWritable: boolean;
  readonly isOurs: boolean;
  /** The home first, then what lies in it; parents before their children. */
  readonly entries: readonly HomeEntry[];
  readonly freeBytes: number;
  readonly freeInodes: number;
  readonly fileSystem: string;
  /** Empty = valid or absent. */
  readonly configError: string;
  /** Absent: there is no file of pools. */
  readonly pools?: PoolsSeen;
}

export interface PoolsSeen {
  readonly hosts: number;
  /** Empty = the file is valid. */
  readonly error: string;
  /** OpenSSH's client is on PATH. */
  readonly hasSsh: boolean;
}

export interface HomeEntry {
  /** Below the home; "" is the home itself. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly mode: number;
}

const freeBytesLeast = 64 * 1_024 ** 2;
const freeBytesSafe = 1_024 ** 3;
/** Linux takes 4,096, and names below the home need room. */
const pathBytesMax = 3_500;

export const homeChecks: Checks<HomeReading> = {
  home: ({ root, kind, isWritable, isOurs }) => {
    if (kind === "something-else") {
      return problem(`${root} is no folder`, "set SKY_HOME to a folder, or remove the file");
    }
    if (!isOurs) {
      return problem(`${root} belongs to another user`, "set SKY_HOME to a folder of your own");
    }
    const remedy = `make it writable: chmod u+rwx ${quoted(root)}`;
    if (!isWritable) return problem(`${root} is not writable`, remedy);
    return ok(kind === "missing" ? `${root} will be made by the first command` : root);
  },

  "home modes": modesVerdict,

  "home disk": ({ freeBytes, freeInodes }) => {
    const text = `${bytesText(freeBytes)} and ${freeInodes} files are free`;
    const remedy =
      "make room: `sky down` clusters that are not used, remove old logs from SKY_HOME/logs";
    // File systems without inodes say that none is free.
    const fewInodes = freeInodes > 0 && freeInodes < 1_000;
    if (freeBytes < freeBytesLeast || fewInodes) return problem(text, remedy);
    return freeBytes < freeBytesSafe ? warning(text, remedy) : ok(text);
  },

  "home file system": ({ fileSystem }) => {
    if (isRemoteFileSystem(fileSystem)) {
      return problem(
        `${fileSystem}: locks and shared memory of SQLite may not hold on it`,
        "set SKY_HOME to a folder on a local disk",
      );
    }
    if (fileSystem === "tmpfs" || fileSystem === "ramfs") {
      return warning(
        `${fileSystem}: nothing on it survives a reboot`,
        "set SKY_HOME to a folder on a disk",
      );
    }
    return ok(fileSystem === "" ? "unknown" : fileSystem);
  },

  "home path": ({ root }) => {
    const bytes = Buffer.byteLength(root);
    if (bytes <= pathBytesMax) return ok(`${bytes} bytes long`);
    return problem(
      `${bytes} bytes long, at most ${pathBytesMax}`,
      "set SKY_HOME to a shorter path",
    );
  },

  config: ({ configError }) =>
    configError === ""
      ? ok("valid, or absent")
      : problem(configError, "correct config.yaml in SKY_HOME, or remove it"),

  pools: ({ pools }) => {
    if (pools === undefined) return ok("no pool of hosts is named");
    const { hosts, error, hasSsh } = pools;
    if (error !== "") return problem(error, "correct it: sky check ssh shows every place");
    const text = hosts === 1 ? "1 host" : `${hosts} hosts`;
    if (hasSsh) return ok(`${text}; to look at them: sky check ssh`);
    return problem(`${text}, and no ssh is on PATH`, "apt-get install openssh-client");
  },
};

/** What only the owner may read: what heads and clusters keep there are secrets and logs. */
const secret = /^(head|clusters|logs)(\/|$)/;
/** Compiled code of this package: no secret. */
const harmless = /^cache(\/|$)/;

function modesVerdict({ root, entries }: HomeReading): Verdict {
  const exposed = exposedOf(entries);
  const remedy = `chmod -R go-rwx ${quoted(root)}`;
  const names = (found: readonly HomeEntry[]): string => {
    return someOf(
      found.map(({ path, mode }) => `${path === "" ? "the home" : path} (${octal(mode)})`),
    );
  };
  const bad = exposed.filter(({ path, mode }) => secret.test(path) || (mode & 0o022) !== 0);
  if (bad.length > 0) return problem(`other users can reach ${names(bad)}`, remedy);
  if (exposed.length > 0) return warning(`other users can look into ${names(exposed)}`, remedy);
  return ok("only its owner gets in");
}

/** What others may use and also reach: a folder that lets nobody in protects what it holds. */
export function exposedOf(entries: readonly HomeEntry[]): readonly HomeEntry[] {
  const closed = entries.filter(({ isFolder, mode }) => isFolder && (mode & 0o011) === 0);
  const isSafe = (path: string): boolean =>
    closed.some((folder) => {
      return folder.path === "" ? path !== "" : path.startsWith(`${folder.path}/`);
    });
  return entries.filter(({ path, mode }) => {
    return (mode & 0o077) !== 0 && !isSafe(path) && !harmless.test(path);
  });
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

/** For a shell, where it needs it. */
export function quoted(path: string): string {
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
