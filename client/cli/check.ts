// `sky check`: which clouds can be used.

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
