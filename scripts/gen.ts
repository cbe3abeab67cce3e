// Generates `proto/gen/sky.js` and `sky.d.ts` from `proto/sky/v1/*.proto`.
//
// The output is committed, so that nobody needs the generator to run the sources, and is the same
// for the same protos. `--check` writes nothing and fails when the committed files are out of step.
// The generated code takes its protobuf runtime from `proto/codec.ts`: see there for why.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const protoDir = join(root, "proto");
const genDir = join(protoDir, "gen");
const notice = "// Generated from proto/sky/v1/*.proto by `npm run gen`. Do not edit.\n";

const pbjsOptions = [
  ...["--target", "static-module", "--wrap", "esm", "--force-number", "--null-semantics"],
  ...["--no-verify", "--no-delimited", "--no-typeurl", "--no-create", "--no-convert"],
  ...["--no-service", "--dependency", "../codec.ts", "--path", protoDir],
];

main(process.argv.slice(2));

function main(args: readonly string[]): void {
  const generated = generate();
  if (!args.includes("--check")) {
    for (const [name, text] of generated) writeFileSync(join(genDir, name), text);
    return;
  }
  const stale = [...generated].filter(([name, text]) => committed(name) !== text);
  for (const [name] of stale) {
    process.stderr.write(`proto/gen/${name} is out of step with proto/sky/v1: npm run gen\n`);
  }
  process.exitCode = stale.length === 0 ? 0 : 1;
}

function generate(): ReadonlyMap<string, string> {
  const protos = readdirSync(join(protoDir, "sky/v1"))
    .filter((name) => name.endsWith(".proto"))
    .sort()
    .map((name) => `sky/v1/${name}`);
  const scratch = mkdtempSync(join(tmpdir(), "sky-gen-"));
  try {
    const code = tool("pbjs", [...pbjsOptions, "--no-comments", ...protos]);
    // The types are read from the comments of a second, commented output.
    const commented = join(scratch, "sky.js");
    tool("pbjs", [...pbjsOptions, "--out", commented, ...protos]);
    const types = tool("pbts", ["--no-comments", commented]);
    return new Map([
      ["sky.js", notice + withNamedImport(code)],
      ["sky.d.ts", notice + withTypeImport(types)],
    ]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function tool(name: string, args: readonly string[]): string {
  const program = join(root, "node_modules/protobufjs-cli/bin", name);
  return execFileSync(process.execPath, [program, ...args], { encoding: "utf8", cwd: root });
}

/** We have no default exports, so the runtime is imported by its name. */
function withNamedImport(code: string): string {
  const given = 'import $protobuf from "../codec.ts";';
  return replaced(code, given, 'import { protobuf as $protobuf } from "../codec.ts";');
}

/** The types of the runtime are protobufjs's own; `Long` is not used by any type of ours. */
function withTypeImport(types: string): string {
  const own = replaced(
    types,
    'import * as $protobuf from "protobufjs";',
    'import type * as $protobuf from "protobufjs/minimal.js";',
  );
  return replaced(own, 'import Long = require("long");\n', "");
}

function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the generator's output has changed: no ${from}`);
  return text.replace(from, () => to);
}

function committed(name: string): string | undefined {
  const path = join(genDir, name);
  return readdirSync(genDir).includes(name) ? readFileSync(path, "utf8") : undefined;
}
