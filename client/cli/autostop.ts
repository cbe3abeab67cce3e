// `sky autostop`: stop a cluster, or take it down, when it has been idle for a while.
// Source of its default and of its questions: SkyPilot 0.3.0.

import { allClustersFlag, type CliCommand, yesFlag } from "./command.ts";
import { WrongUse } from "./exit-codes.ts";
import { isSet, numberFlag, type Parsed } from "./flags.ts";
import { actOnGroup } from "./group.ts";
import { idleText } from "./times.ts";

/** Source: SkyPilot 0.3.0. */
const idleSecondsDefault = 5 * 60;

export const autostop: CliCommand = {
  name: "autostop",
  args: "[CLUSTERS...]",
  about: "Stop clusters, or take them down, when they have been idle for a while.",
  examples: [
    "sky autostop demo -i 10",
    "sky autostop demo -i 10 --down",
    "sky autostop demo --cancel",
  ],
  flags: [
    allClustersFlag,
    { usage: "-i, --idle-minutes <MIN>", about: "Idle minutes; fractions are fine. Default 5." },
    { usage: "--idle-seconds <S>", about: "The same in seconds." },
    { usage: "--cancel", about: "Disarm it." },
    { usage: "--down", about: "Take the cluster down, not only stop it." },
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const asked = idleSecondsOf(parsed, "idleMinutes");
    const [cancels, down] = [isSet(parsed, "cancel"), isSet(parsed, "down")];
    if (cancels && asked !== undefined) throw new WrongUse("-i and --cancel exclude each other");
    const idleSeconds = asked ?? idleSecondsDefault;
    const verb = down ? "autodown" : "autostop";
    const after = idleText(idleSeconds * 1_000);
    return actOnGroup(shell, parsed, {
      doing: cancels ? "Cancelling auto{stop,down} on" : `Scheduling ${verb} on`,
      done: (name) =>
        cancels
          ? `${name}: auto{stop,down} is off.`
          : `${name}: ${verb} after ${after} idle. To cancel it: sky autostop ${name} --cancel`,
      act: async (head, name) => {
        const rule = cancels ? null : { idleSeconds, down };
        await head.setAutostop(name, rule, shell.interrupt);
        return undefined;
      },
    });
  },
};

/** Of `-i` or `--idle-seconds`; `undefined` if neither is given. @throws WrongUse for both. */
export function idleSecondsOf(parsed: Parsed, minutesName: string): number | undefined {
  const minutes = numberFlag(parsed, minutesName, { flag: "-i", least: 0 });
  const seconds = numberFlag(parsed, "idleSeconds", { flag: "--idle-seconds", least: 0 });
  if (minutes !== undefined && seconds !== undefined) {
    throw new WrongUse("-i and --idle-seconds exclude each other");
  }
  return minutes === undefined ? seconds : minutes * 60;
}
