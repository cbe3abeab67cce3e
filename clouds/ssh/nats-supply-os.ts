// A nats-server for a host that has none: this machine's own, else a release of the project's.
//
// The release is pinned with its checksum, fetched once over https and kept. What must always hold:
// nothing is sent that is not the program of that checksum, or this machine's own.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { errorText, SkyError } from "../../model/errors.ts";
import { findNatsServer } from "../../runtime/nats-process-os.ts";

export interface NatsProgram {
  readonly path: string;
  /** Its sha256. */
  readonly hash: string;
}

export interface NatsSupply {
  /** @throws SkyError `host/unfit` for the host that needs it. */
  of(arch: string, host: string, signal: AbortSignal): Promise<NatsProgram>;
}

export interface Release {
  readonly version: string;
  /** sha256 of `nats-server-v<version>-linux-<arch>.tar.gz`, by architecture as Node says it. */
  readonly archives: Readonly<Record<string, { readonly name: string; readonly sha256: string }>>;
  readonly from: string;
}

/**
 * Source: the project's own images, github.com/nats-io/nats-docker at ef05cf93,
 * 2.10.x/alpine3.22/Dockerfile.
 */
export const pinnedRelease: Release = {
  version: "2.10.29",
  archives: {
    x64: {
      name: "amd64",
      sha256: "e314da74a83a1d3876db8814c27eb990fe729640fd6452025b441bcede8390da",
    },
    arm64: {
      name: "arm64",
      sha256: "da4b27942ecfb4c5f0c54553d2e7f470ddda9d7581cfe8131b351a0e223ed401",
    },
  },
  from: "https://github.com/nats-io/nats-server/releases/download",
};

const run = promisify(execFile);
const unpack = promisify(gunzip);
const downloadMs = 60_000;
const askMs = 10_000;

export function createNatsSupply(options: {
  /** SKY_HOME: `bin` is looked in, `cache` is written to. */
  readonly home: string;
  readonly release?: Release;
  /** For tests. */
  readonly own?: () => string | undefined;
}): NatsSupply {
  const { home, release = pinnedRelease } = options;
  const own = options.own ?? (() => ownProgram(home));
  const known = new Map<string, Promise<NatsProgram>>();
  const find = async (arch: string, signal: AbortSignal): Promise<NatsProgram> => {
    const ours = arch === process.arch && process.platform === "linux" ? own() : undefined;
    if (ours !== undefined && (await isRecent(ours))) return programAt(ours);
    return fetched(arch, { home, release, signal });
  };
  return {
    of: async (arch, host, signal) => {
      // Hosts that ask at the same time wait for one download; one that failed is tried again.
      const finding = known.get(arch) ?? find(arch, signal);
      known.set(arch, finding);
      try {
        return await finding;
      } catch (cause) {
        if (known.get(arch) === finding) known.delete(arch);
        const why = `it has no nats-server, and none can be sent: ${errorText(cause)}`;
        const fix = `Install one there, or put one for it into ${home}/bin`;
        throw new SkyError("host/unfit", { host, why, fix }, { cause });
      }
    },
  };
}

function ownProgram(home: string): string | undefined {
  try {
    return findNatsServer({ binaryDirs: [`${home}/bin`] });
  } catch {
    return undefined; // There is none; a release is fetched.
  }
}

/** As `runtime/nats-config.ts` needs it. */
const least = [2, 9, 10] as const;

async function isRecent(path: string): Promise<boolean> {
  const { stdout } = await run(path, ["--version"], { timeout: askMs });
  return isRecentEnough(stdout);
}

/** `nats-server: v2.10.29`. */
export function isRecentEnough(said: string): boolean {
  const [, ...numbers] = /v(\d+)\.(\d+)\.(\d+)/.exec(said) ?? [];
  for (const [place, wanted] of least.entries()) {
    const number = Number(numbers[place] ?? -1);
    if (number !== wanted) return number > wanted;
  }
  return true;
}

async function programAt(path: string): Promise<NatsProgram> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes);
  return { path, hash: hash.digest("hex") };
}

// ---- the release

interface Wanted {
  readonly home: string;
  readonly release: Release;
  readonly signal: AbortSignal;
}

async function fetched(arch: string, { home, release, signal }: Wanted): Promise<NatsProgram> {
  const archive = release.archives[arch];
  if (archive === undefined) throw new Error(`no release for ${arch} is known`);
  const name = `nats-server-v${release.version}-linux-${archive.name}`;
  const folder = `${home}/cache/nats`;
  const path = `${folder}/${name}`;
  if (await isThere(path)) return programAt(path);
  const url = `${release.from}/v${release.version}/${name}.tar.gz`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(downloadMs)]);
  const answer = await fetch(url, { signal: limit }).catch((cause: Error) => {
    throw new Error(`${url}: ${errorText(cause.cause ?? cause)}`, { cause });
  });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== archive.sha256) throw new Error(`${url} has another checksum than it should`);
  const program = fileIn(await unpack(bytes), `${name}/nats-server`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(`${path}.${process.pid}`, program, { mode: 0o755 });
  await rename(`${path}.${process.pid}`, path);
  return programAt(path);
}

/** One file of a tar archive. Source: POSIX.1-2017, pax, "ustar Interchange Format". */
export function fileIn(archive: Buffer, name: string): Buffer {
  const block = 512;
  for (let at = 0; at + block <= archive.length; ) {
    const text = (from: number, length: number): string =>
      archive.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const bytes = Number.parseInt(text(124, 12).trim() || "0", 8);
    if (text(0, 100) === name) return archive.subarray(at + block, at + block + bytes);
    at += block + Math.ceil(bytes / block) * block;
  }
  throw new Error(`the archive has no ${name}`);
}

async function isThere(path: string): Promise<boolean> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  await file?.close();
  return file !== undefined;
}
