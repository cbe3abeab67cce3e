// `sky start`: start stopped clusters again.
// One that is up already is left alone and told.

import { lastStep } from "../launch.ts";
import { userName } from "../world-os.ts";
import { allClustersFlag, type CliCommand, yesFlag } from "./command.ts";
import { actOnGroup } from "./group.ts";

export const start: CliCommand = {
  name: "start",
  args: "[CLUSTERS...]",
  about: "Start stopped clusters again.",
  examples: ["sky start demo"],
  flags: [allClustersFlag, yesFlag],
  run: (shell, parsed) =>
    actOnGroup(shell, parsed, {
      doing: "Restarting",
      done: (name) => `Cluster ${name} is up.`,
      act: async (head, name) => {
        const [before] = await head.status([name], shell.interrupt);
        if (before?.status === "UP") return `Cluster ${name} already has status UP.`;
        const wanted = {
          cluster: name,
          force: false,
          command: `sky start ${name}`,
          user: userName(),
        };
        await lastStep(head.start(wanted, shell.interrupt), {});
        return undefined;
      },
    }),
};
