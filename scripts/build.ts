// Builds `dist/`: what `npx sky`, an installed package and a remote node run.
//
// Node strips no types under `node_modules`, and a bundle with a warm compile cache starts about
// three times as fast as the sources. Each program is a *door* of a few lines (Node version check,
// compile cache) in front of a bundle, so that an old Node gets a sentence and not a syntax error.
// Every library is inside the bundles and the types name nothing but our own files, so that a
// consumer installs no dependencies; both are checked here and fail the build.
//
// What must always hold: it needs only what `npm ci` installed, and it may run twice at once.

import { execFile } from "node:child_process";
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { builtinModules } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { build, type Metafile, type Plugin } from "esbuild";
import { buildBundle, prepareBundle } from "./bundle.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
const programs = ["sky", "skyhead", "skylet"] as const;
/** Those that are one file each; see `bundleScripts`. */
const scripts: readonly string[] = ["sky", "skylet"];
/** The forms of these libraries with named exports: see `checkDynamicImports`. */
const alias = {
  "@peculiar/x509": "@peculiar/x509/build/x509.es.js",
  "@aws-sdk/client-s3": "@aws-sdk/client-s3/dist-es/index.js",
};
/**
 * Large, and wanted by few: each is a file of its own that whoever needs it imports then, also the
 * programs that are one file otherwise.
 */
const laterLibraries: Readonly<Record<string, string>> = {
  "@aws-sdk/client-s3": "later-aws-s3",
  "@google-cloud/storage": "later-google-storage",
  "@azure/storage-blob": "later-azure-blob",
  "@azure/identity": "later-azure-identity",
  highs: "later-highs",
};
/**
 * What libraries try to load and do well without: node-fetch wants `encoding` for pages in other
 * character sets than UTF-8, and a proxy agent `kerberos` for proxies that ask for it.
 */
const dispensable: readonly string[] = ["encoding", "kerberos"];
/** What our own code imports of them when it needs them stays outside. */
const later: Plugin = {
  name: "later",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      const name = laterLibraries[path];
      if (kind !== "dynamic-import" || name === undefined) return undefined;
      return { path: `./${name}.js`, external: true };
    });
  },
};
const run = promisify(execFile);

/**
 * Node takes an `--env-file` of the program's own for its own, unless a `--` stands before the
 * program: https://github.com/nodejs/node/issues/54232. A shell can say that wherever there is
 * one; to Node the second line is a string and a comment.
 */
const skyOpening = `#!/bin/sh
":" //; exec node -- "$0" "$@"`;

await main();

async function main(): Promise<void> {
  const startedAt = performance.now();
  // A build of one's own beside `dist`, put in place at the end: a reader sees whole files only.
  const staged = await mkdtemp(join(root, ".dist-"));
  try {
    // Compressing Node takes the other core.
    const prepared = Promise.all(architectures().map(prepareBundle));
    // Whatever is wrong with it is told below, unless the programs themselves do not build.
    prepared.catch(() => {});
    await bundle(staged);
    await bundleScripts(staged);
    await copyAssets(staged);
    for (const name of programs) await writeDoor(staged, name);
    for (const job of await prepared) await buildBundle(job, staged);
    await install(staged, dist);
    await linkPrograms();
    // Last, so that a mistake in the types leaves programs that run.
    await emitTypes(join(staged, "types"));
    await install(join(staged, "types"), join(dist, "types"));
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  console.log(`built dist/ in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

/** Of the bundles for hosts: this machine's, and those asked for by `--arch`. */
function architectures(): readonly string[] {
  const { values } = parseArgs({ options: { arch: { type: "string", multiple: true } } });
  const own = process.platform === "linux" ? [process.arch] : [];
  return [...new Set([...own, ...(values.arch ?? [])])];
}

/** The SDK, the workers and what runs on; what two of them share is a chunk that both import. */
async function bundle(outdir: string): Promise<void> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: {
      "skyhead-main": "bin/skyhead.ts",
      "serve-bundle": "bin/serve-bundle.ts",
      index: "client/index.ts",
      ...Object.fromEntries((await workers()).map((path) => [basename(path, ".ts"), path])),
      ...Object.fromEntries(Object.entries(laterLibraries).map(([path, name]) => [name, path])),
    },
    outdir,
    alias,
    bundle: true,
    splitting: true,
    // Flat, so that `new URL("./asset", import.meta.url)` finds the asset from a chunk as well.
    chunkNames: "chunk-[hash]",
    format: "esm",
    platform: "node",
    target: "node22.18",
    // Libraries in CommonJS (grpc-js, pino) call `require` for Node's own modules.
    banner: {
      js: [
        'import { createRequire as skyCreateRequire } from "node:module";',
        "const require = skyCreateRequire(import.meta.url);",
      ].join("\n"),
    },
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
  });
  checkSelfContained(result.metafile);
  checkDynamicImports(result.metafile);
}

/**
 * `sky` starts for every command and a skylet on every node, so each is one file that is quick to
 * load and small to keep: a script, whose `require` of Node's modules takes only what is asked
 * for, where an `import` goes through every name that a module exports; what is not needed is in
 * the file and is not run.
 */
async function bundleScripts(outdir: string): Promise<void> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(scripts.map((name) => [`${name}-main`, `bin/${name}.ts`])),
    outdir,
    alias,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    minifyWhitespace: true,
    minifySyntax: true,
    format: "cjs",
    platform: "node",
    target: "node22.18",
    define: { "import.meta.url": "skyUrl" },
    banner: { js: 'const skyUrl = require("node:url").pathToFileURL(__filename).href;' },
    plugins: [later],
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
  });
  checkSelfContained(result.metafile);
}

/** Files that run on a thread of their own are found by name, so each is an entry of its own. */
async function workers(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of ["runtime", "transfer", "scheduler", "agent", "client"]) {
    for (const path of await filesBelow(join(root, folder))) {
      if (path.endsWith("-worker.ts")) found.push(relative(root, path));
    }
  }
  return found;
}

/** Nothing may be left to install: every import that stayed outside is one of Node's own. */
function checkSelfContained(metafile: Metafile): void {
  const known = new Set([...builtinModules, ...dispensable]);
  for (const [output, { imports }] of Object.entries(metafile.outputs)) {
    for (const { path, external } of imports) {
      const builtin = path.startsWith("node:") || known.has(path);
      const isOurs = Object.values(laterLibraries).includes(basename(path, ".js"));
      if (external && !builtin && !isOurs) throw new Error(`${output} still imports ${path}`);
    }
  }
}

/**
 * A CommonJS library behind `await import()` becomes a chunk with a default export only, where Node
 * itself would have found its names: the sources would work and the bundle would not.
 */
function checkDynamicImports(metafile: Metafile): void {
  // Some have a default export only in Node, too, and some none.
  const nameless = ["reflect-metadata", "highs"];
  for (const { entryPoint = "", exports } of Object.values(metafile.outputs)) {
    const [, library] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(entryPoint) ?? [];
    if (library === undefined || nameless.includes(library)) continue;
    const named = exports.some((name) => name !== "default");
    if (!named) throw new Error(`a bundle that imports ${library} later loses its names`);
  }
}

/** Shell scripts, and what libraries look for: all that lies beside the code that reads it. */
async function copyAssets(outdir: string): Promise<void> {
  for (const folder of ["agent", "runtime", "scheduler", "clouds", "clouds/ssh"]) {
    for (const name of await namesIn(join(root, folder))) {
      if (name.endsWith(".sh")) await cp(join(root, folder, name), join(outdir, name));
    }
  }
  await cp(join(root, "node_modules/highs/build/highs.wasm"), join(outdir, "highs.wasm"));
}

/**
 * The file that a user starts. The compile cache belongs to SKY_HOME like everything else; a
 * program that runs on (the head) may never exit cleanly, so the cache is written early too.
 */
async function writeDoor(outdir: string, name: string): Promise<void> {
  const start = scripts.includes(name)
    ? `module.createRequire(import.meta.url)("./${name}-main.cjs");`
    : `await import("./${name}-main.js");`;
  const door = `${name === "sky" ? skyOpening : "#!/usr/bin/env node"}
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import module from "node:module";
import { dirname, resolve } from "node:path";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(\`${name} needs Node 22.18 or newer; this is Node \${process.versions.node}.\`);
  process.exit(1);
}
const home = resolve(process.env.SKY_HOME || \`\${homedir()}/.sky\`);
// The first command makes the home by this: for its owner only.
const umask = process.umask(0o077);
const cache = \`\${home}/cache/compile\`;
// Step by step: made by Node, it may never return (see runtime/folders-os.ts).
const missing = [];
for (let at = cache; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
try {
  for (const folder of missing) mkdirSync(folder);
  module.enableCompileCache(cache);
} catch {} // The command itself tells of it.
process.umask(umask);
setTimeout(() => module.flushCompileCache(), 3000).unref();
${start}
`;
  const path = join(outdir, `${name}.js`);
  await writeFile(path, door);
  await chmod(path, 0o755);
}

/**
 * The SDK's types. A compiler that is not told to allow `.ts` in imports reads `.js` everywhere.
 * What the public door does not reach is not published.
 */
async function emitTypes(outdir: string): Promise<void> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const options = ["-p", join(root, "tsconfig.types.json"), "--outDir", outdir];
  await run(process.execPath, [tsc, ...options], { cwd: root }).catch((error) => {
    throw new Error(`the SDK's types do not compile:\n${error.stdout}`, { cause: error });
  });
  const reached = new Set<string>();
  await publish(join(outdir, "client/index.d.ts"), reached);
  for (const path of await filesBelow(outdir)) if (!reached.has(path)) await unlink(path);
}

async function publish(path: string, reached: Set<string>): Promise<void> {
  if (reached.has(path)) return;
  reached.add(path);
  const text = await readFile(path, "utf8");
  // No space in it: a text may end in the word too.
  const specifier = /((?:from|import)\s*\(?\s*)"([^"\s]+)"/g;
  for (const [, , name = ""] of text.matchAll(specifier)) {
    if (!name.startsWith(".")) throw new Error(`${relative(root, path)} needs ${name}'s types`);
    const target = resolve(dirname(path), name.replace(/\.[jt]s$/, ".d.ts"));
    await publish(target, reached);
  }
  await writeFile(
    path,
    text.replace(specifier, (_, word, name) => `${word}"${jsName(name)}"`),
  );
}

function jsName(specifier: string): string {
  return specifier.replace(/\.ts$/, ".js");
}

/** Puts the new files in place one by one and takes away what is no longer built. */
async function install(from: string, to: string): Promise<void> {
  const built = (await filesBelow(from)).map((path) => relative(from, path));
  for (const name of built) {
    await mkdir(dirname(join(to, name)), { recursive: true });
    await rename(join(from, name), join(to, name));
  }
  for (const path of await filesBelow(to)) {
    const name = relative(to, path);
    const isType = to === dist && name.startsWith("types/");
    // A build at the same time may have taken it away already.
    if (!built.includes(name) && !isType) await rm(path, { force: true });
  }
}

/** `npx sky` in the checkout is `dist/sky.js`, without npm looking anywhere else. */
async function linkPrograms(): Promise<void> {
  const bin = join(root, "node_modules/.bin");
  await mkdir(bin, { recursive: true });
  for (const name of programs) {
    const link = join(bin, name);
    const target = relative(bin, join(dist, `${name}.js`));
    if ((await linkTarget(link)) === target) continue;
    await rm(link, { force: true });
    await symlink(target, link);
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  // Not there yet: nothing that it points to.
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isSymbolicLink() ? readlink(path) : undefined;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((e) => join(e.parentPath, e.name));
}
