// The packed package, used by a program outside the checkout: no network, no other dependency.
//
// The program imports `Sky` with its types, is compiled under both resolutions that people use and
// without Node's types, and runs a job. What `npm pack` leaves out, nobody has after installing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { checkout, place } from "../support/programs.ts";

const here = place(undefined);
const consumer = join(here.folder, "consumer");

const program = `
import * as skylet from "skylet";
import { Dag, isSkyError, Resources, Sky, Task, type Job, type LaunchOptions } from "skylet";

const options: LaunchOptions = { cluster: "packed" };
const built = new Task({ num_nodes: 2, run: 'echo "rank $SKYPILOT_NODE_RANK"' });
built.setResources(Resources.anyOf({ cpus: 1 }));
const text = await new Dag().add(await Task.fromYamlText(await built.toYaml())).toYaml();
const task = await Task.fromYamlText(text);
const sky = new Sky({ home: process.env.SKY_HOME });
const { jobId } = await sky.launch(task, options);
const texts: string[] = [];
const log = sky.logs("packed", jobId);
for await (const { rank, bytes } of log) {
  texts[rank] = (texts[rank] ?? "") + new TextDecoder().decode(bytes);
}
const job: Job = await log.outcome;
const exitCodes: readonly (number | null)[] = job.ranks.map(({ exitCode }) => exitCode);
const [{ status = "" } = {}] = await skylet.status("packed");
const unknown = await skylet.queue("nobody").catch((error: unknown) => error);
const code: string | undefined = isSkyError(unknown) ? unknown.code : undefined;
console.log(JSON.stringify({ status, job: job.status, exitCodes, texts, code }));
await sky.down("packed");
sky.close();
declare const process: { env: { SKY_HOME: string } };
declare const console: { log(text: string): void };
`;

function run(command: string, args: readonly string[], cwd = consumer): string {
  const env = { ...here.env, npm_config_cache: join(here.folder, "npm-cache") };
  return execFileSync(command, args, { cwd, env, encoding: "utf8", timeout: 60_000 });
}

after(() => here.close());
before(() => {
  if (!existsSync(join(checkout, "dist/index.js"))) {
    run(process.execPath, ["scripts/build.ts"], checkout);
  }
  mkdirSync(consumer);
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", here.folder], checkout);
  const tarball = readdirSync(here.folder).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball, "npm pack wrote a tarball");
  const manifest = { name: "consumer", private: true, type: "module" };
  writeFileSync(join(consumer, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(consumer, "main.ts"), program);
  run("npm", ["install", "--offline", "--silent", `../${tarball}`]);
});

test("the package brings nothing but itself", () => {
  const installed = readdirSync(join(consumer, "node_modules"));
  assert.deepEqual(installed.filter((name) => !name.startsWith(".")).sort(), ["skylet"]);
  const skylet = join(consumer, "node_modules/skylet");
  assert.deepEqual(readdirSync(skylet).sort(), [
    ...["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json"],
  ]);
});

test("the package has the program of each thread, by its name alone", () => {
  const folders = ["runtime", "transfer", "scheduler", "agent", "client"];
  const programs = folders
    .flatMap((folder) => readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" }))
    .filter((path) => path.endsWith("-worker.ts"))
    .map((path) => `${basename(path, ".ts")}.js`);
  assert.ok(programs.length >= 2);
  assert.equal(new Set(programs).size, programs.length, "they lie in one folder");
  const packed = readdirSync(join(consumer, "node_modules/skylet/dist"));
  assert.deepEqual(
    programs.filter((name) => !packed.includes(name)),
    [],
  );
});

for (const resolution of ["nodenext", "bundler"]) {
  test(`a program with the SDK's types compiles under ${resolution} resolution`, () => {
    const options = {
      module: resolution === "bundler" ? "esnext" : "nodenext",
      moduleResolution: resolution,
      ...{ target: "es2022", lib: ["es2022", "dom"], types: [] },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
      outDir: resolution,
    };
    const config = { compilerOptions: options, files: ["main.ts"] };
    writeFileSync(join(consumer, `${resolution}.json`), JSON.stringify(config));
    const tsc = join(checkout, "node_modules/typescript/bin/tsc");
    assert.equal(run(process.execPath, [tsc, "-p", `${resolution}.json`]), "");
  });
}

test("the compiled program runs a job", () => {
  const output = run(process.execPath, ["nodenext/main.js"]);
  assert.deepEqual(JSON.parse(output), {
    ...{ status: "UP", job: "SUCCEEDED" },
    exitCodes: [0, 0],
    texts: ["rank 0\n", "rank 1\n"],
    code: "cluster/not-found",
  });
});

test("the installed command is the package's", () => {
  const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  assert.ok(run(join(consumer, "node_modules/.bin/sky"), ["--version"]).includes(version));
});
