// What quick commands load: `sky status` has a budget of three times `node -e 0`, which one
// careless import at the top of a file would break. Imports inside of functions are for when they
// are needed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceOf } from "../support/sources.ts";

/** Every file and package that is loaded when `path` is. */
function loadedBy(path: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const visit = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const { imports, text } = sourceOf(file);
    for (const { specifier, target, typeOnly } of imports) {
      const later = text.includes(`import("${specifier}")`);
      if (typeOnly || later) continue;
      if (target === undefined) loaded.add(specifier);
      else visit(target);
    }
  };
  visit(path);
  return loaded;
}

const program = ["client/cli/main.ts"];
/** Called by every command that asks a head. */
const connecting = ["client/connect-os.ts", "client/head-grpc.ts", "proto/client-grpc.ts"];

/** Prompts, parsers, checks of tasks, and whatever is for a cloud. */
const heavy =
  /^(node:readline|yaml$|zod$|ajv|ignore$|@aws|@google-cloud|@azure|pino|esbuild|node:sqlite)/;
const heavyFiles =
  /^(client\/task-|client\/problem|client\/cli\/(entry|launch|doctor)|clouds\/|catalog\/)/;

for (const name of [
  "status",
  "queue",
  "logs",
  "cancel",
  "cost-report",
  "check",
  "cp",
  "transfers",
  "profile",
]) {
  test(`sky ${name} loads no parser, no prompt and no cloud`, () => {
    const paths = [...program, ...connecting, `client/cli/${name}.ts`];
    const loaded = new Set(paths.flatMap((path) => [...loadedBy(path)]));
    const found = [...loaded].filter((one) => heavy.test(one) || heavyFiles.test(one));
    assert.deepEqual(found, []);
    assert.ok(
      loaded.has("commander") && loaded.has("proto/channel-grpc.ts"),
      [...loaded].join(" "),
    );
  });
}

test("a command that is a script needs no parser until there is a file", () => {
  for (const path of ["client/cli/launch.ts", "client/cli/exec.ts"]) {
    assert.ok(!loadedBy(path).has("yaml"), path);
    assert.ok(!loadedBy(path).has("node:readline"), path);
  }
});
