// `sky down`: take clusters down; nothing of them is left but their logs.
// A cluster that is gone already is not an error for its neighbours.

import { userName } from "../world-os.ts";
import { allClustersFlag, type CliCommand, yesFlag } from "./command.ts";
import { actOnGroup } from "./group.ts";

export const down: CliCommand = {
  name: "down",
  args: "[CLUSTERS...]",
  about: "Take clusters down; only their logs are kept.",
  examples: ["sky down demo", "sky down -a -y"],
  flags: [allClustersFlag, yesFlag],
  run: (shell, parsed) =>
    actOnGroup(shell, parsed, {
      doing: "Terminating",
      done: (name) => `Terminating cluster ${name}...done.`,
      act: async (head, name) => {
        const { logsArchive } = await head.down(
          { cluster: name, purge: false, user: userName() },
          shell.interrupt,
        );
        if (logsArchive === "") return undefined;
        return `Terminating cluster ${name}...done. Its logs are in ${logsArchive}`;
      },
    }),
};
