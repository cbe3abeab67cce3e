// docs/sdk.md: its examples run and print what it says, its signatures are those of the code, and
// it names every call. The examples of the docstrings compile.
//
// The page is one story: its examples run in order, as programs of their own, in one home with
// embedded nodes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import * as skylet from "../../../client/index.ts";
import { codes } from "../../../model/errors.ts";
import {
  docExamplesOf,
  type Fence,
  fencesOf,
  type Granted,
  importsFor,
  moduleOf,
} from "../../support/examples.ts";
import { checkout, place } from "../../support/programs.ts";

const here = place(undefined, { isolation: "embedded" });
const folder = join(here.folder, "examples");
mkdirSync(folder);
after(() => here.close());

const page = readFileSync(join(checkout, "docs/sdk.md"), "utf8");
const fences = fencesOf(page);
const runnable = fences.filter(({ kind }) => kind === "ts");
const signatures = fences.filter(({ kind }) => kind === "ts signature");

const granted: Granted = {
  sky: "const sky = new Sky();",
  jobId: "const jobId: number = 1;",
};

const declared: Granted = {
  ...{ sky: "declare const sky: Sky;", task: "declare const task: Task;" },
  ...{ jobId: "declare const jobId: number;", seeds: "declare const seeds: readonly number[];" },
  ...{ big: "declare const big: Resources;" },
};

/** With every strict flag of the checkout; an example may leave a variable unused. */
function compiled(files: readonly string[]): string {
  const config = {
    extends: join(checkout, "tsconfig.json"),
    compilerOptions: {
      ...{ noUnusedLocals: false, typeRoots: [join(checkout, "node_modules/@types")] },
    },
    files,
    include: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(checkout, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  return stdout;
}

function fileOf({ line }: Fence): string {
  return join(folder, `line-${line}.mts`);
}

test("every example of the page compiles, and is what its text says", () => {
  for (const fence of runnable) writeFileSync(fileOf(fence), moduleOf(fence.code, granted));
  assert.equal(compiled(runnable.map(fileOf)), "");
  assert.ok(runnable.length >= 25, `${runnable.length} examples`);
});

test("every example of the page runs in order and prints what stands below it", () => {
  for (const fence of runnable) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileOf(fence)], {
      ...{ cwd: folder, env: { ...here.env, NO_COLOR: "1" }, encoding: "utf8", timeout: 60_000 },
    });
    const said = `docs/sdk.md:${fence.line}: ${stdout}${stderr}`;
    assert.equal(status, 0, said);
    const below = fences[fences.indexOf(fence) + 1];
    assert.equal(below?.kind, "text", `docs/sdk.md:${fence.line} has no output below`);
    assert.equal(stdout.trimEnd(), below.code.trimEnd(), said);
  }
});

test("every signature of the page is that of the code", () => {
  const checks = signatures.flatMap(({ code, line }) => {
    const text = code.replace(/\n\s+/g, " ").trim();
    return text.split("\n").map((signature, index) => checkOf(signature, { line, index }));
  });
  const same =
    "type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 " +
    "? true : false;";
  const file = join(folder, "signatures.mts");
  const body = checks.join("\n");
  writeFileSync(file, `${importsFor(body)}\n${same}\n${body}\n`);
  assert.equal(compiled([file]), "");
});

/** A statement that compiles only if the signature is that of the code. */
function checkOf(signature: string, at: { readonly line: number; readonly index: number }): string {
  const match = /^(static )?(\w+)\((?:this: (\w+)(?:, )?)?(.*)\): (.*);$/.exec(signature);
  assert.ok(match, `docs/sdk.md:${at.line}: ${signature}`);
  const [, isStatic, name = "", of, parameters = "", result = ""] = match;
  const shape = `(${parameters}) => ${result}`;
  const id = `check${at.line}x${at.index}`;
  if (name === "constructor") return `export const ${id}: new ${shape} = ${result};`;
  const owner =
    isStatic === undefined ? of : `typeof ${/Promise<(\w+)>|(\w+)$/.exec(result)?.[1] ?? result}`;
  const actual = owner === undefined ? `typeof ${name}` : `${owner}["${name}"]`;
  // Of overloads one stands for all, and a predicate has no equal.
  const loose = name === "launch" || name === "isSkyError";
  if (loose) return `export const ${id}: ${shape} = null as unknown as ${actual};`;
  return `export const ${id}: Same<${shape}, ${actual}> = true;`;
}

test("every example in a docstring compiles", () => {
  const sources = [
    ...["sky-os", "sky-transfers-os", "task-builder-os", "dag-os", "resources-builder"],
  ];
  const examples = sources.flatMap((name) => {
    return docExamplesOf(readFileSync(join(checkout, `client/${name}.ts`), "utf8"));
  });
  assert.ok(examples.length >= 30, `${examples.length} examples`);
  const files = examples.map((code, index) => {
    const file = join(folder, `docstring-${index}.mts`);
    writeFileSync(file, moduleOf(code, declared));
    return file;
  });
  assert.equal(compiled(files), "");
});

test("the page has every call, every class and every function, and no code that is none", () => {
  const owners = [skylet.Sky.prototype, Object.getPrototypeOf(skylet.Sky.prototype) as object];
  const own = owners.flatMap((owner) => Object.getOwnPropertyNames(owner));
  const calls = own.filter((name) => name !== "constructor");
  const headings = page.split("\n").filter((line) => line.startsWith("### "));
  const missing = calls.filter((name) => !headings.some((line) => line.includes(`\`sky.${name}(`)));
  assert.deepEqual(missing, []);
  const functions = Object.keys(skylet).filter((name) => !page.includes(`\`${name}`));
  assert.deepEqual(
    functions,
    ["Dag", "Resources", "Task"].filter((n) => functions.includes(n)),
  );
  const setters = Object.getOwnPropertyNames(skylet.Task.prototype).filter(
    (n) => n !== "constructor",
  );
  assert.deepEqual(
    setters.filter((name) => !page.includes(name)),
    [],
  );
  const named = [...page.matchAll(/`([a-z]+\/[a-z-]+)`/g)].map(([, code = ""]) => code);
  assert.deepEqual(
    named.filter((code) => !Object.hasOwn(codes, code)),
    [],
  );
  assert.ok(named.length > 30);
});
