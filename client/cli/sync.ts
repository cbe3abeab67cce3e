// `sky sync`: bring destinations to what the source is.
//
// What it does is in `transfer-run.ts`; what may be said of it is in `transfer-flags.ts`.

import type { CliCommand } from "./command.ts";
import { syncFlags, transferFlags } from "./transfer-flags.ts";
import { runTransfer } from "./transfer-run.ts";

export const sync: CliCommand = {
  name: "sync",
  args: "[SRC] [DST...]",
  about: "Copy what a destination does not have, or has in another version.",
  examples: [
    "sky sync ./data s3://bucket/data",
    "sky sync s3://bucket/data demo:data --delete --dry-run",
    "sky sync ./logs gs://bucket/logs --exclude '*' --include '*.gz'",
  ],
  flags: [...syncFlags, ...transferFlags],
  run: (shell, parsed) => runTransfer(shell, parsed, "sync"),
};
