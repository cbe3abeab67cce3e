// What `import "skylet"` loads, and what it does not: a program pays for a head or for YAML when it
// asks for one.
//
// A process of its own counts every module that it resolves.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";

const door = resolve(import.meta.dirname, "../../client/index.ts");

/** The modules that a program has resolved at its end. */
function modulesOf(program: string): readonly string[] {
  const counted = `
    import { registerHooks } from "node:module";
    const urls = new Set();
    registerHooks({
      resolve: (specifier, context, next) => {
        const resolved = next(specifier, context);
        urls.add(resolved.url);
        return resolved;
      },
    });
    const { Dag, Resources, Sky, Task } = await import(${JSON.stringify(door)});
    ${program}
    console.log(JSON.stringify([...urls]));
  `;
  const args = ["--input-type=module", "--eval", counted];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

const heavy = [/node:http2/, /node:sqlite/, /node:child_process/, /\/proto\/gen\//, /-grpc\.ts$/];
const parser = /node_modules\/yaml\//;

function among(modules: readonly string[], patterns: readonly RegExp[]): readonly string[] {
  return modules.filter((url) => patterns.some((pattern) => pattern.test(url)));
}

test("importing the SDK and building tasks loads neither a head nor a parser", () => {
  const modules = modulesOf(`
    const sky = new Sky({ home: "/nowhere" });
    new Dag().add(new Task({ run: "true" }).setResources(new Resources({ cpus: 1 })).validate());
    sky.close();
  `);
  assert.ok(modules.some((url) => url.endsWith("client/sky-os.ts")));
  assert.deepEqual(among(modules, [...heavy, parser]), []);
  const libraries = modules.filter((url) => url.includes("node_modules"));
  assert.deepEqual(libraries, []);
});

test("reading a file loads the parser, and still no head", () => {
  const modules = modulesOf(`await Task.fromYamlText("run: echo");`);
  assert.ok(among(modules, [parser]).length > 0);
  assert.deepEqual(among(modules, heavy), []);
});
