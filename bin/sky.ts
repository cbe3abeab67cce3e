#!/usr/bin/env node
// The `sky` command. Everything is in `client/cli`; this only starts it, with compiled code kept
// under SKY_HOME so that the next start is quicker, and ends with its exit code.

import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { leave } from "../client/cli/leave.ts";
import { makeFolders } from "../runtime/folders-os.ts";

const home = process.env["SKY_HOME"] || `${homedir()}/.sky`;
// The first command makes the home by this: for its owner only.
const umask = process.umask(0o077);
try {
  makeFolders(`${home}/cache/compile`, 0o700);
  enableCompileCache(`${home}/cache/compile`);
} catch {
  // Without it everything is only slower; the command itself tells of the folder.
}
process.umask(umask);

// No `await` at the top: the bundle of this program is a script.
void import("../client/cli/main.ts").then(({ main }) => main(process.argv.slice(2))).then(leave);
