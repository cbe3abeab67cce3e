// `sky cp`: copy objects and files, from one place to one or several.
//
// What it does is in `transfer-run.ts`; what may be said of it is in `transfer-flags.ts`.

import type { CliCommand } from "./command.ts";
import { recursiveFlag, transferFlags } from "./transfer-flags.ts";
import { runTransfer } from "./transfer-run.ts";

export const cp: CliCommand = {
  name: "cp",
  args: "[SRC] [DST...]",
  about: "Copy between this machine, nodes of clusters and object stores, to one place or several.",
  examples: [
    "sky cp -r ./data s3://bucket/data",
    "sky cp gs://bucket/model.bin demo:models/",
    "sky cp -r s3://bucket/data gs://mirror/data demo/*:data",
    "sky cp -r azure://account/container/x ./x --dry-run",
    "sky cp --resume 7",
  ],
  flags: [recursiveFlag, ...transferFlags],
  run: (shell, parsed) => runTransfer(shell, parsed, "copy"),
};
