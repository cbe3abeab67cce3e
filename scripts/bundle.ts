// Builds `dist/bundle`: for each architecture one gzip file with all that a host needs.
//
// Node's binary is the one of the npm package `node`, which npm verified; for another architecture
// that of `node-linux-<arch>` in the same version, which npm is asked for if it is not there.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { makeBundle, nodePart } from "../clouds/ssh/bundle-make-os.ts";

const root = resolve(import.meta.dirname, "..");
const run = promisify(execFile);

/** For compressed parts; `npm ci` empties it, because it empties `node_modules`. */
const cache = join(root, "node_modules/.cache/skylet");

export interface BundleJob {
  readonly arch: string;
  readonly node: string;
  readonly nodeVersion: string;
}

/** Finds Node and compresses it if that was not done before: this may go on beside a build. */
export async function prepareBundle(arch: string): Promise<BundleJob> {
  const { version: nodeVersion } = await about(join(root, "node_modules/node"));
  const node =
    arch === process.arch && process.platform === "linux"
      ? await realpath(join(root, "node_modules/node/bin/node"))
      : await otherNode(arch, nodeVersion);
  await nodePart({ node, arch, cache });
  return { arch, node, nodeVersion };
}

export async function buildBundle(job: BundleJob, dist: string): Promise<void> {
  const { version } = await about(root);
  await makeBundle({ ...job, dist, version, cache, to: join(dist, "bundle") });
}

async function otherNode(arch: string, version: string): Promise<string> {
  const name = `node-linux-${arch}`;
  const installed = join(root, "node_modules", name, "bin/node");
  if (existsSync(installed)) return installed;
  const folder = join(cache, `node-${version}-${arch}`);
  const fetched = join(folder, "node_modules", name, "bin/node");
  if (existsSync(fetched)) return fetched;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  // Forced, because it is for another machine than this one.
  const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--force"];
  const wanted = `${name}@${version}`;
  await run("npm", ["install", ...options, wanted], { cwd: folder }).catch((error) => {
    throw new Error(`npm does not get ${wanted}:\n${error.stderr}`, { cause: error });
  });
  return fetched;
}

async function about(folder: string): Promise<{ readonly version: string }> {
  return JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
}
