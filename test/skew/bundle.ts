// The bundle of an earlier version, as it is kept here: one compressed file and what is in it.
//
// `0.1.0/bundle.json.zst` holds the programs of the first commit at which a gang job was whole, as
// its own build script made them, by name. `0.1.0/manifest.json` names the commit and the SHA-256
// of every file; `rebuild.ts` makes it again from the history and compares.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

/** What is in a bundle: the text of each file of `dist/`, by name. */
export type Files = ReadonlyMap<string, string>;

export interface Manifest {
  readonly version: string;
  readonly commit: string;
  /** When it was committed. */
  readonly date: string;
  /** SHA-256 of each file. */
  readonly files: Readonly<Record<string, string>>;
}

export const keptFolder = join(import.meta.dirname, "0.1.0");
const bundlePath = join(keptFolder, "bundle.json.zst");
const manifestPath = join(keptFolder, "manifest.json");

/** What the programs need, with their shell scripts. The SDK and its types are not run here. */
export function isProgramFile(name: string): boolean {
  return /^[^/]+\.(js|cjs|sh)$/.test(name) && name !== "index.js";
}

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest;
}

export function readBundle(): Files {
  const text = zstdDecompressSync(readFileSync(bundlePath)).toString();
  return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
}

export function writeKept(manifest: Manifest, files: Files): void {
  mkdirSync(keptFolder, { recursive: true });
  const text = JSON.stringify(Object.fromEntries(files));
  const params = {
    [constants.ZSTD_c_compressionLevel]: 19,
    // The programs share most of their libraries: the window must reach from one to the next.
    [constants.ZSTD_c_windowLog]: 24,
  };
  writeFileSync(bundlePath, zstdCompressSync(text, { params }));
  writeFileSync(manifestPath, `${JSON.stringify(manifest, undefined, 2)}\n`);
}

export function digestsOf(files: Files): Readonly<Record<string, string>> {
  const names = [...files.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, digestOf(files.get(name) ?? "")]));
}

export function digestOf(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
