// `sky start`: start stopped clusters again.
// One that is up already is left alone and told, but the flags of autostop hold for it too.

import type { ClusterView } from "../../model/cluster.ts";
import type { IdleRule } from "../head.ts";
import { broughtUp } from "../launch.ts";
import { untilUpBy } from "../until-up-os.ts";
import { userName } from "../world-os.ts";
import {
  allClustersFlag,
  allUsersFlag,
  type CliCommand,
  configFlag,
  groupYesFlag,
  serverFlags,
  waitForFlags,
} from "./command.ts";
import { isSet } from "./flags.ts";
import { actOnGroup, planText } from "./group.ts";
import { armedText, idleRuleOfStart, idleSecondsFlag, schedulingText } from "./idle.ts";

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
    groupYesFlag,
  ],
  run: async (shell, parsed) => {
    const autostop = idleRuleOfStart(parsed);
    const force = isSet(parsed, "force");
    const stays = ({ status }: ClusterView): boolean => status === "UP" && !force;
    return actOnGroup(shell, parsed, {
      verb: "start",
      doing: "Restarting",
      guesses: true,
      done: (name) => `Cluster ${name} is up.`,
      skips: (cluster) =>
        stays(cluster) && autostop === undefined ? upText(cluster.name) : undefined,
      plan: (clusters) => startPlan(clusters, { stays, autostop }),
      act: async (head, name, cluster) => {
        if (stays(cluster) && autostop !== undefined) {
          await head.setAutostop(name, autostop, shell.interrupt);
          return `${upText(name)} ${armedText(name, autostop)}`;
        }
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

function upText(name: string): string {
  return `Cluster ${name} already has status UP.`;
}

interface StartRule {
  /** Whether it is up and is not started again. */
  readonly stays: (cluster: ClusterView) => boolean;
  readonly autostop: IdleRule | undefined;
}

/** `Restarting 1 cluster: a; Scheduling autostop on 1 cluster: b`. */
function startPlan(clusters: readonly ClusterView[], { stays, autostop }: StartRule): string {
  const [up, down] = [clusters.filter(stays), clusters.filter((one) => !stays(one))];
  const parts = [
    ...(down.length === 0 ? [] : [planText("Restarting", down)]),
    ...(up.length === 0 || autostop === undefined ? [] : [planText(schedulingText(autostop), up)]),
  ];
  return parts.join("; ");
}
