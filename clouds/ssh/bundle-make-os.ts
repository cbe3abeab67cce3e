// Makes a bundle: one gzip file with all that a host needs to be a node, Node itself included.
//
// It is named by its hash, so the same programs must give the same bytes wherever they are built.
// Node is by far the most of it and seldom another: its part is compressed once and kept, as
// members of its own (members of gzip one after another are a gzip file). Source: RFC 1952, 2.2.

import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { SkyError } from "../../model/errors.ts";
import { tarEnd, tarHeader, tarPadding } from "./bundle-tar.ts";
import { trimmedProgram } from "./elf-trim.ts";

export interface BundleParts {
  /** With the programs, as `scripts/build.ts` makes it. */
  readonly dist: string;
  /** Node's binary for `arch`. */
  readonly node: string;
  readonly nodeVersion: string;
  readonly arch: string;
  readonly version: string;
  /** Where compressed parts are kept. */
  readonly cache: string;
  /** The folder that the bundle comes to. */
  readonly to: string;
}

/** What stands beside a bundle, as `.json`. */
export interface BundleFacts {
  readonly sha256: string;
  readonly bytes: number;
  readonly arch: string;
  readonly version: string;
  readonly node: string;
  /** Of its files, once unpacked. */
  readonly unpackedBytes: number;
}

export function bundleName(arch: string): string {
  return `skylet-linux-${arch}.tar.gz`;
}

/**
 * Measured 2026-11 for the whole of Node 24 on two cores: 50.0 MB in 1.8 s at level 1, 47.1 in 1.3
 * at 4, 45.9 in 2.8 at 6, 45.7 in 11.8 at 9. It is done once for each Node.
 */
const level = 6;
/** Members are compressed side by side; longer ones would save less than a thousandth. */
const memberBytes = 8 * 1_048_576;
const compress = promisify(gzip);

/** Of what a host runs: the head, the agent, their threads and scripts. */
const leftOut = new Set(["sky.js", "sky-main.cjs", "index.js"]);

/** Files appear whole, the facts last. */
export async function makeBundle(parts: BundleParts): Promise<BundleFacts> {
  const { arch, version, to } = parts;
  const node = await nodePart(parts);
  const programs = await programsOf(parts);
  const path = `${to}/${bundleName(arch)}`;
  await mkdir(to, { recursive: true });
  const rest = await gzipped(Buffer.concat(programs));
  const all = [await readFile(node.path), ...rest];
  const hash = createHash("sha256");
  for (const bytes of all) hash.update(bytes);
  await put(path, all);
  const facts: BundleFacts = {
    sha256: hash.digest("hex"),
    bytes: lengthOf(all),
    ...{ arch, version, node: parts.nodeVersion },
    unpackedBytes: node.bytes + lengthOf(programs),
  };
  await put(`${path}.json`, [Buffer.from(`${JSON.stringify(facts, undefined, 2)}\n`)]);
  return facts;
}

// ---- Node

/** Node as the archive's first file, compressed; made if it is not kept already. */
export async function nodePart(
  parts: Pick<BundleParts, "node" | "arch" | "cache">,
): Promise<{ readonly path: string; readonly bytes: number }> {
  const whole = await readFile(parts.node);
  checkMachine(whole, parts);
  const binary = trimmedProgram(whole) ?? whole;
  const digest = createHash("sha256").update(binary).digest("hex");
  // The name tells how it was compressed too: another way is another file.
  const path = `${parts.cache}/node-${digest.slice(0, 32)}-${level}.tar.gz`;
  const bytes = binary.length;
  if (await isThere(path)) return { path, bytes };
  const header = tarHeader({ name: "bin/node", mode: 0o755, bytes });
  await mkdir(parts.cache, { recursive: true });
  await put(path, await gzipped(Buffer.concat([header, binary, tarPadding(bytes)])));
  return { path, bytes };
}

/** As ELF names them. Source: elf(5), `e_machine`. */
const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

function checkMachine(binary: Buffer, { node, arch }: { node: string; arch: string }): void {
  const isElf = binary.length > 20 && binary.toString("latin1", 1, 4) === "ELF";
  if (isElf && binary.readUInt16LE(18) === machines[arch]) return;
  throw new SkyError("bundle/missing", { arch, fix: `${node} is no program of Linux for ${arch}` });
}

// ---- the programs

/** Headers, contents and padding in turn, by name, and the archive's end. */
async function programsOf({ dist, version }: BundleParts): Promise<readonly Uint8Array[]> {
  const names = (await readdir(dist, { withFileTypes: true }))
    .filter((entry) => entry.isFile() && !leftOut.has(entry.name))
    .map(({ name }) => name)
    .filter((name) => /\.(js|cjs|sh)$/.test(name))
    .concat("package.json")
    .sort();
  const about = JSON.stringify({ name: "skylet", version, type: "module" });
  const pieces: Uint8Array[] = [];
  for (const name of names) {
    const isAbout = name === "package.json";
    const bytes = isAbout ? Buffer.from(`${about}\n`) : await readFile(`${dist}/${name}`);
    const mode = name.endsWith(".sh") ? 0o755 : 0o644;
    pieces.push(tarHeader({ name, mode, bytes: bytes.length }), bytes, tarPadding(bytes.length));
  }
  return [...pieces, tarEnd];
}

// ---- files

async function gzipped(bytes: Buffer): Promise<readonly Buffer[]> {
  const members: Promise<Buffer>[] = [];
  for (let at = 0; at < bytes.length; at += memberBytes) {
    members.push(compress(bytes.subarray(at, at + memberBytes), { level, memLevel: 9 }));
  }
  return Promise.all(members);
}

async function put(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const part = `${dirname(path)}/.part-${randomUUID()}`;
  try {
    await writeFile(part, pieces);
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  await file?.close();
  return file !== undefined;
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((total, { length }) => total + length, 0);
}
