// Checks the protos: `buf lint`, and `buf breaking` against the committed baseline image.
//
// A peer of the version before must always be understood: fields may be added, never renamed,
// renumbered or retyped. `--accept` checks and then takes the protos as they are as the new
// baseline, so that what was added is protected from then on.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const baseline = "proto/baseline.binpb";

const steps = [
  ["lint"],
  ["breaking", "--against", baseline],
  ...(process.argv.includes("--accept")
    ? [["build", "--exclude-source-info", "--output", baseline]]
    : []),
];
process.exitCode = steps.every((step) => buf(step)) ? 0 : 1;

function buf(args: readonly string[]): boolean {
  const program = join(root, "node_modules/@bufbuild/buf/bin/buf");
  const { status, error } = spawnSync(process.execPath, [program, ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (error !== undefined) process.stderr.write(`buf ${args[0]}: ${error.message}\n`);
  return status === 0;
}
