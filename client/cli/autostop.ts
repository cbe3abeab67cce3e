// `sky autostop`: stop a cluster, or take it down, when it has been idle for a while.
// Source of its default and of its questions: SkyPilot 0.3.0.

import {
  allClustersFlag,
  allUsersFlag,
  type CliCommand,
  configFlag,
  groupYesFlag,
  serverFlags,
  waitForFlags,
} from "./command.ts";
import { WrongUse } from "./exit-codes.ts";
import { isSet, textFlag } from "./flags.ts";
import { actOnGroup } from "./group.ts";
import { armedText, idleSecondsFlag, idleSecondsOf, schedulingText } from "./idle.ts";

/** Source: SkyPilot 0.3.0. */
const idleSecondsDefault = 5 * 60;

export const autostop: CliCommand = {
  name: "autostop",
  args: "[CLUSTERS...]",
  about: "Stop clusters, or take them down, when they have been idle for a while.",
  examples: [
    "sky autostop demo -i 10",
    "sky autostop demo -i 90s --down",
    "sky autostop demo --cancel",
  ],
  flags: [
    allClustersFlag,
    allUsersFlag,
    {
      usage: "-i, --idle-minutes <MIN>",
      about: "Idle minutes, or with a unit: 90s, 10m, 1h. Default 5.",
    },
    idleSecondsFlag,
    ...waitForFlags,
    { usage: "--cancel", about: "Disarm it." },
    { usage: "--down", about: "Take the cluster down, not only stop it." },
    configFlag,
    ...serverFlags,
    groupYesFlag,
  ],
  run: async (shell, parsed) => {
    const asked = idleSecondsOf(parsed, "idleMinutes");
    const [cancels, down] = [isSet(parsed, "cancel"), isSet(parsed, "down")];
    if (cancels && asked !== undefined) {
      const given = textFlag(parsed, "idleMinutes") ?? `${asked}s`;
      throw new WrongUse(`-i ${given} and --cancel exclude each other`);
    }
    const rule = { idleSeconds: asked ?? idleSecondsDefault, down };
    return actOnGroup(shell, parsed, {
      verb: "autostop",
      doing: cancels ? "Cancelling auto{stop,down} on" : schedulingText(rule),
      done: (name) => (cancels ? `${name}: auto{stop,down} is off.` : armedText(name, rule)),
      act: async (head, name) => {
        await head.setAutostop(name, cancels ? null : rule, shell.interrupt);
        return undefined;
      },
    });
  },
};
