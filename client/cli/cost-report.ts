// `sky cost-report`: what clusters cost, those that are gone included.
// Source of its columns: SkyPilot 0.3.0.

import type { ClusterCost } from "../../model/cluster.ts";
import { type CliCommand, configFlag, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { isSet, numberFlag, type Parsed } from "./flags.ts";
import { printJson, wantsJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { printTable } from "./table.ts";
import { agoText, durationText } from "./times.ts";

const columns = ["NAME", "LAUNCHED", "DURATION", "RESOURCES", "STATUS"].concat([
  ...["COST/hr", "COST (est.)"],
]);

/** What a narrow terminal cuts, and what it then leaves out: the costs stay. */
const shrink = ["RESOURCES", "NAME"];
const drop = ["LAUNCHED", "RESOURCES", "COST/hr", "DURATION"];

/** Without --all. Source: SkyPilot 0.3.0. */
const rowsShown = 5;
const dayMs = 86_400_000;

export const costReport: CliCommand = {
  name: "cost-report",
  args: "",
  about: "Show what clusters cost, those that are gone included.",
  examples: ["sky cost-report", "sky cost-report -a", "sky cost-report --days 7 -o json"],
  flags: [
    { usage: "-a, --all", about: `Show all of them, not only the latest ${rowsShown}.` },
    { usage: "--days <N>", about: "Only those whose machines ran in the last N days; 0: all." },
    configFlag,
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const days = numberFlag(parsed, "days", { flag: "--days", least: 0 });
    const all = await (await shell.head()).costReport(shell.interrupt);
    // Source: newer versions of SkyPilot, where 0 is all.
    const since = days === undefined || days === 0 ? 0 : shell.now() - days * dayMs;
    const costs = all.filter((cost) => ranSince(cost, since)).sort(liveFirst);
    if (json) printJson(shell, costs);
    else if (costs.length === 0) shell.print("No clusters.");
    else printCosts(shell, parsed, costs);
    return exitCodes.done;
  },
};

function printCosts(shell: Shell, parsed: Parsed, costs: readonly ClusterCost[]): void {
  const shown = isSet(parsed, "all") ? costs : costs.slice(0, rowsShown);
  const rows = shown.map((cost) => rowOf(cost, shell.now()));
  printTable(shell, { columns, rows, shrink, drop });
  const total = costs.reduce((sum, { cost = 0 }) => sum + cost, 0);
  shell.print(`Total Cost: $${total.toFixed(2)}`);
  const hidden = costs.length - shown.length;
  if (hidden > 0) shell.say(`${hidden} more, in the total too: sky cost-report --all`);
  shell.say("Costs are estimates: the time that machines were up, without disks and traffic.");
  shell.say("Where the price of a machine is not known, - is shown and nothing is counted.");
}

function rowOf(cost: ClusterCost, now: number): readonly string[] {
  const { name, launchedAt, durationMs, numNodes, resources, status } = cost;
  return [
    name,
    agoText(launchedAt, now),
    durationText(0, durationMs),
    resources === "" ? `${numNodes}x` : resources,
    status ?? "TERMINATED",
    dollars(cost.costPerHour),
    dollars(cost.cost),
  ];
}

function dollars(amount: number | undefined): string {
  return amount === undefined ? "-" : `$ ${amount.toFixed(2)}`;
}

function ranSince({ usage, launchedAt }: ClusterCost, since: number): boolean {
  if (usage.length === 0) return launchedAt >= since;
  return usage.some(({ endedAt }) => endedAt === undefined || endedAt >= since);
}

/** Those that are there first, then those that are gone; the latest first. */
function liveFirst(a: ClusterCost, b: ClusterCost): number {
  const gone = Number(a.status === undefined) - Number(b.status === undefined);
  return gone !== 0 ? gone : b.launchedAt - a.launchedAt;
}
