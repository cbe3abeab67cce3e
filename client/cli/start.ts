// `sky start`: start stopped clusters again.
// One that is up already is left alone and told.

import { broughtUp } from "../launch.ts";
import { untilUpBy } from "../until-up-os.ts";
import { userName } from "../world-os.ts";
import {
  allClustersFlag,
  allUsersFlag,
  type CliCommand,
  configFlag,
  serverFlags,
  waitForFlags,
  yesFlag,
} from "./command.ts";
import { isSet } from "./flags.ts";
import { actOnGroup } from "./group.ts";
import { idleRuleOfStart, idleSecondsFlag } from "./idle.ts";

export const start: CliCommand = {
  name: "start",
  args: "[CLUSTERS...]",
  about: "Start stopped clusters again.",
  examples: ["sky start demo", "sky start demo -i 10 --down", "sky start -a -y"],
  flags: [
    allClustersFlag,
    allUsersFlag,
    { usage: "-i, --idle-minutes-to-autostop <MIN>", about: "Stop again when idle so long." },
    idleSecondsFlag,
    ...waitForFlags,
    { usage: "--down", about: "With -i: take the cluster down when idle, not only stop it." },
    { usage: "-r, --retry-until-up", about: "Try again and again until it is up; Ctrl-C ends it." },
    { usage: "-f, --force", about: "Also where it is up: what does not run is started again." },
    configFlag,
    ...serverFlags,
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const autostop = idleRuleOfStart(parsed);
    const force = isSet(parsed, "force");
    return actOnGroup(shell, parsed, {
      verb: "start",
      doing: "Restarting",
      guesses: true,
      done: (name) => `Cluster ${name} is up.`,
      skips: ({ name, status }) =>
        status === "UP" && !force ? `Cluster ${name} already has status UP.` : undefined,
      act: async (head, name) => {
        const wanted = {
          ...{ cluster: name, force, command: `sky start ${name}`, user: userName() },
          ...(autostop === undefined ? {} : { autostop }),
        };
        await broughtUp(() => head.start(wanted, shell.interrupt), {
          onProgress: ({ text }) => shell.progress(text),
          ...(isSet(parsed, "retryUntilUp") ? { untilUp: untilUpBy(shell.interrupt) } : {}),
        });
        return undefined;
      },
    });
  },
};
