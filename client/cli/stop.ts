// `sky stop`: end a cluster's jobs and nodes, keep its record.
// Its job history is there again when it is started.

import { userName } from "../world-os.ts";
import {
  allClustersFlag,
  allUsersFlag,
  type CliCommand,
  configFlag,
  groupYesFlag,
  serverFlags,
} from "./command.ts";
import { actOnGroup } from "./group.ts";

export const stop: CliCommand = {
  name: "stop",
  args: "[CLUSTERS...]",
  about: "Stop clusters: jobs end, disks and the record stay.",
  examples: ["sky stop demo", "sky stop 'train-*' -y"],
  flags: [allClustersFlag, allUsersFlag, configFlag, ...serverFlags, groupYesFlag],
  run: (shell, parsed) =>
    actOnGroup(shell, parsed, {
      verb: "stop",
      doing: "Stopping",
      done: (name) => `Stopping cluster ${name}...done. To start it again: sky start ${name}`,
      act: async (head, name) => {
        await head.stop({ cluster: name, user: userName() }, shell.interrupt);
        return undefined;
      },
    }),
};
