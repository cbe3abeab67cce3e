// `sky check`: which clouds can be used.
// The local cloud needs nothing installed, so it is always there.

import type { CliCommand } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";

export const check: CliCommand = {
  name: "check",
  args: "",
  about: "Show which clouds can be used.",
  examples: ["sky check"],
  flags: [],
  run: async (shell) => {
    shell.print("local: enabled");
    return exitCodes.done;
  },
};
