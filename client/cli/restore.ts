// `sky restore`: a lost journal is brought back from its replica. Loads neither head nor gRPC.

import { resolve } from "node:path";
import { isSkyError } from "../../model/errors.ts";
import type { CliCommand } from "./command.ts";
import { exitCodes, WrongUse } from "./exit-codes.ts";
import { textFlag } from "./flags.ts";

export const restore: CliCommand = {
  name: "restore",
  args: "",
  about: "Bring the journal of this home back from its replica, after its disk was lost.",
  examples: ["sky restore --from /mnt/backup/skylet"],
  flags: [{ usage: "--from <DIR>", about: "The folder that journal.replica named." }],
  run: async (shell, parsed) => {
    const from = textFlag(parsed, "from");
    if (from === undefined) throw new WrongUse("--from DIR is needed: what journal.replica named");
    const { restoreHome } = await import("../restore-os.ts");
    const restored = await restoreHome(shell.home, resolve(from), Date.now()).catch(
      (error: unknown) => {
        if (!isSkyError(error, "store/locked")) throw error;
        const which = "`sky doctor` names its process";
        throw new Error(
          `a head of ${shell.home.root} runs: end it first, its ranks run on; ${which}`,
        );
      },
    );
    const { clusters, untilWallMs, droppedBytes, movedTo } = restored;
    const until = new Date(untilWallMs).toISOString();
    shell.print(`Restored ${shell.home.journal} as it was at ${until}.`);
    for (const [name, jobs] of clusters) shell.print(`  ${name}: ${jobs} jobs on record`);
    if (clusters.size === 0) shell.print("  There was no cluster.");
    if (movedTo !== undefined) shell.print(`The journal that was there is now ${movedTo}.`);
    if (droppedBytes > 0) {
      shell.say(`The last ${droppedBytes} bytes of the replica are torn or damaged: left out.`);
    }
    shell.say(
      "What was acknowledged after that moment is missing. Nodes that run what is not on record " +
        "are told to stop it: see `sky why CLUSTER`. Secrets, logs and workdirs are not in a " +
        "replica: jobs that wait and need such a file end when they start.",
    );
    shell.say("The next command starts the head: sky status");
    return exitCodes.done;
  },
};
