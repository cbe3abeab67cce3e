// `sky status`: the clusters of this home.
// What the head knows is always fresh; nothing is cached on the way.

import type { AutostopView, ClusterView } from "../../model/cluster.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { wordsAt } from "./flags.ts";
import { namesMeant } from "./names.ts";
import { printJson, wantsJson } from "./output.ts";
import { tableText, truncated } from "./table.ts";
import { agoText, idleText } from "./times.ts";

const columns = ["NAME", "LAUNCHED", "RESOURCES", "STATUS", "AUTOSTOP", "COMMAND"];

/** Source: SkyPilot 0.3.0. */
const resourcesWidth = 70;
const commandWidth = 25;

export const status: CliCommand = {
  name: "status",
  args: "[CLUSTERS...]",
  about: "Show clusters.",
  examples: ["sky status", "sky status 'train-*'", "sky status -o json"],
  flags: [
    { usage: "-a, --all", about: "Show all of every text." },
    { usage: "-r, --refresh", about: "What is shown is always fresh: kept for scripts." },
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const head = await shell.head();
    const known = await head.status([], shell.interrupt);
    const words = wordsAt(parsed, 0);
    const names = known.map(({ name }) => name);
    const meant = words.length === 0 ? { names, unmatched: [] } : namesMeant(words, names);
    const shown = known.filter(({ name }) => meant.names.includes(name));
    for (const glob of meant.unmatched) shell.say(`Cluster ${glob} not found.`);
    if (json) printJson(shell, shown);
    else if (shown.length === 0) shell.print("No existing clusters.");
    else {
      const whole = parsed.flags["all"] === true;
      const rows = shown.map((cluster) => rowOf(cluster, { now: shell.now(), whole }));
      shell.print(tableText({ columns, rows }));
    }
    return exitCodes.done;
  },
};

function rowOf(
  cluster: ClusterView,
  { now, whole }: { readonly now: number; readonly whole: boolean },
): readonly string[] {
  const { name, launchedAt, resources, status: state, autostop, command } = cluster;
  const fitted = (text: string, width: number): string => (whole ? text : truncated(text, width));
  return [
    name,
    agoText(launchedAt, now),
    fitted(resources, resourcesWidth),
    state,
    autostopText(autostop),
    fitted(command, commandWidth),
  ];
}

function autostopText(autostop: AutostopView | undefined): string {
  if (autostop === undefined) return "-";
  return `${idleText(autostop.idleMs)}${autostop.verb === "down" ? " (down)" : ""}`;
}
