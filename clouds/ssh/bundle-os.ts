// The bundle for an architecture: the one that was built, or one that is made now and kept.
//
// A checkout builds it with everything else. An installed package has none, because Node would make
// it ten times as large: it is made on first use from the package's programs and the Node that runs
// them, or one that npm brought.

import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { SkyError } from "../../model/errors.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { type BundleFacts, bundleName, makeBundle } from "./bundle-make-os.ts";

export interface Bundle {
  readonly path: string;
  /** Its sha256, by which hosts know it. */
  readonly hash: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
}

export interface BundlePlaces {
  /** With the built programs; absent: where we are. */
  readonly dist?: string;
  /** For bundles that are made: `SKY_HOME/cache/bundles`. */
  readonly cache: string;
}

/** @throws SkyError `bundle/missing`. */
export async function bundleFor(arch: string, places: BundlePlaces): Promise<Bundle> {
  const dist = places.dist ?? builtPrograms();
  const built = await readBundle(`${dist}/bundle/${bundleName(arch)}`);
  if (built !== undefined) return built;
  const node = nodeFor(arch, dist);
  const to = `${places.cache}/${arch}-${await sourceOf(dist, node)}`;
  // Whoever asks meanwhile waits for the one that is made.
  const making = makings.get(to) ?? make({ arch, dist, node, to, cache: places.cache });
  makings.set(to, making);
  return making.finally(() => makings.delete(to));
}

const makings = new Map<string, Promise<Bundle>>();

interface Making {
  readonly arch: string;
  readonly dist: string;
  readonly node: NodeBinary;
  readonly to: string;
  readonly cache: string;
}

async function make({ arch, dist, node, to, cache }: Making): Promise<Bundle> {
  const made = await readBundle(`${to}/${bundleName(arch)}`);
  if (made !== undefined) return made;
  const version = packageVersion();
  await makeBundle({ dist, ...node, arch, version, cache, to });
  await removeOthers(cache, to, arch);
  const bundle = await readBundle(`${to}/${bundleName(arch)}`);
  if (bundle === undefined)
    throw new SkyError("bundle/missing", { arch, fix: `no space in ${to}` });
  return bundle;
}

async function readBundle(path: string): Promise<Bundle | undefined> {
  try {
    const facts: BundleFacts = JSON.parse(await readFile(`${path}.json`, "utf8"));
    const { sha256: hash, bytes, unpackedBytes } = facts;
    // A build that is putting another in place has the facts last.
    if ((await stat(path)).size !== bytes) return undefined;
    return { path, hash, bytes, unpackedBytes };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where we are, or what was built of the sources that we are among. */
function builtPrograms(): string {
  const unbuilt = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(unbuilt ? "../../dist" : ".", import.meta.url)).replace(/\/$/, "");
}

// ---- Node for it

interface NodeBinary {
  readonly node: string;
  readonly nodeVersion: string;
}

function nodeFor(arch: string, dist: string): NodeBinary {
  const ours = arch === process.arch && process.platform === "linux";
  const found = (ours ? fromNpm("node", dist) : undefined) ?? fromNpm(`node-linux-${arch}`, dist);
  if (found !== undefined) return found;
  if (ours && isSelfContained()) {
    return { node: realpathSync(process.execPath), nodeVersion: process.versions.node };
  }
  const fix = ours
    ? `this Node (${process.execPath}) needs libraries of this machine: npm install node@24`
    : `in a checkout: npm run build -- --arch ${arch}; else npm install --force node-linux-${arch}`;
  throw new SkyError("bundle/missing", { arch, fix });
}

/** The binary of an npm package that can be found from where the programs are. */
function fromNpm(name: string, dist: string): NodeBinary | undefined {
  try {
    const about = createRequire(`${dist}/`).resolve(`${name}/package.json`);
    const { version } = JSON.parse(readFileSync(about, "utf8"));
    if (!isNewEnough(version)) return undefined;
    const node = about.replace(/package\.json$/, "bin/node");
    return { node: realpathSync(node), nodeVersion: version };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "MODULE_NOT_FOUND" || code === "ENOENT") return undefined;
    throw error;
  }
}

/** As our programs say when they start. */
function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** Distributions build Node over libraries of their own, which other hosts lack. */
function isSelfContained(): boolean {
  const variables = Object.entries(process.config.variables);
  return !variables.some(([name, value]) => /^node_shared/.test(name) && String(value) === "true");
}

// ---- those that are made

/** Names what a bundle is made of, without reading it all. */
async function sourceOf(dist: string, { node, nodeVersion }: NodeBinary): Promise<string> {
  const hash = createHash("sha256").update(`${dist}\n${node}\n${nodeVersion}\n`);
  const names = await readdir(dist).catch((error: NodeJS.ErrnoException) => {
    const fix = "npm run build";
    throw new SkyError("bundle/missing", { arch: process.arch, fix }, { cause: error });
  });
  for (const name of [...names].sort()) {
    const { size, mtimeMs } = await stat(`${dist}/${name}`);
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

/** Of earlier versions; the compressed Node is a file and stays. */
async function removeOthers(cache: string, kept: string, arch: string): Promise<void> {
  for (const entry of await readdir(cache, { withFileTypes: true })) {
    const path = `${cache}/${entry.name}`;
    const isEarlier = entry.isDirectory() && entry.name.startsWith(`${arch}-`) && path !== kept;
    if (isEarlier) await rm(path, { recursive: true, force: true });
  }
}
