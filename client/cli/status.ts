// `sky status`: the clusters of this home, whoever launched them.
//
// What the head knows is always fresh, nothing is cached on the way. What became of machines behind
// its back it asks their cloud with --refresh.

import type { AutostopView, ClusterView } from "../../model/cluster.ts";
import type { FreshStatus } from "../head.ts";
import { allUsersFlag, type CliCommand, configFlag, outputFlag } from "./command.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { type Flag, isSet, type Parsed, wordsAt } from "./flags.ts";
import { namesMeant } from "./names.ts";
import { printJson, wantsJson } from "./output.ts";
import { isReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";
import { printTable, truncated } from "./table.ts";
import { agoText, idleText } from "./times.ts";

/** Source: SkyPilot 0.3.0. */
const resourcesWidth = 70;
const commandWidth = 25;

/** What a narrow terminal cuts, the least needed first. */
const shrink = ["COMMAND", "RESOURCES", "NAME"];
const drop = ["COMMAND", "LAUNCHED", "RESOURCES", "USER", "AUTOSTOP", "INFRA"];

/** Lists that SkyPilot shows beside the clusters: there is nothing to show of them yet. */
const besides = ["spot-jobs", "managed-jobs", "services", "pools"].flatMap((what): Flag[] => [
  { usage: `--show-${what}`, about: "There are none yet.", hidden: true },
  { usage: `--no-show-${what}`, about: "There are none yet.", hidden: true },
]);

export const status: CliCommand = {
  name: "status",
  args: "[CLUSTERS...]",
  about: "Show clusters.",
  examples: ["sky status", "sky status 'train-*'", "sky status -o json", "sky status --ip demo"],
  flags: [
    {
      usage: "-a, --all",
      about: "Show all of every text, even where lines wrap, and region and zone.",
    },
    { usage: "-v, --verbose", about: "The same as --all." },
    { usage: "-r, --refresh", about: "Ask the clouds what became of the machines first." },
    { ...allUsersFlag, about: "Show whose they are; clusters of everybody are shown anyway." },
    { usage: "--ip", about: "Print the IP address of the head of one cluster, nothing else." },
    { usage: "--endpoints", about: "Addresses of open ports.", hidden: true, needsCloud: true },
    {
      usage: "--endpoint <PORT>",
      about: "The address of one open port.",
      hidden: true,
      needsCloud: true,
    },
    ...["--kubernetes", "--k8s"].map(
      (usage): Flag => ({
        ...{ usage, about: "Of a Kubernetes cluster.", hidden: true, needsCloud: true },
      }),
    ),
    ...besides,
    configFlag,
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const words = wordsAt(parsed, 0);
    const ip = isSet(parsed, "ip");
    if (ip && words.length !== 1) {
      throw new WrongUse(`--ip takes exactly one cluster, not ${words.length}: ${words.join(" ")}`);
    }
    const { clusters: known, refreshed } = await lookedUp(shell, parsed);
    const names = known.map(({ name }) => name);
    const meant = words.length === 0 ? { names, unmatched: [] } : namesMeant(words, names);
    const shown = known.filter(({ name }) => meant.names.includes(name)).sort(reservedLast);
    for (const glob of meant.unmatched) shell.say(`Cluster ${glob} not found.`);
    const failed = refreshed.filter((found) => found.failed);
    for (const { text } of refreshed) shell.say(text);
    if (failed.length > 0) shell.say(`Failed to refresh status for ${countText(failed.length)}.`);
    if (ip) return printIp(shell, shown, json);
    if (json) printJson(shell, shown);
    else printClusters(shell, parsed, shown);
    return failed.length === 0 ? exitCodes.done : exitCodes.refused;
  },
};

/** Everything is asked for: an unknown name is told with those that are close. */
async function lookedUp(shell: Shell, parsed: Parsed): Promise<FreshStatus> {
  const head = await shell.head();
  if (isSet(parsed, "refresh")) return head.refresh([], shell.interrupt);
  return { clusters: await head.status([], shell.interrupt), refreshed: [] };
}

function printClusters(shell: Shell, parsed: Parsed, shown: readonly ClusterView[]): void {
  if (shown.length === 0) {
    shell.print("No existing clusters.");
    return;
  }
  const whole = isSet(parsed, "all") || isSet(parsed, "verbose");
  // Where all are of this machine, there is nothing to tell apart.
  const infra = shown.some(({ cloud }) => cloud !== "local");
  const look = { now: shell.now(), whole, infra, users: isSet(parsed, "allUsers") };
  const cells = shown.map((cluster) => cellsOf(cluster, look));
  const columns = cells[0]?.map(([title]) => title) ?? [];
  const rows = cells.map((row) => row.map(([, cell]) => cell));
  printTable(shell, { columns, rows, shrink, drop, whole });
  if (whole) for (const line of shown.flatMap(hostLines)) shell.print(line);
  sayHints(shell, parsed, shown);
}

/** Of a cluster on hosts of the user's own: which they are. */
function hostLines({ name, nodes }: ClusterView): readonly string[] {
  if (nodes.every(({ host }) => host === undefined)) return [];
  return [
    `Hosts of ${name}:`,
    ...nodes.map(({ host = "-", ip, phase, index }) => {
      const place = index === 0 ? "head" : `worker${index}`;
      const at = ip === "" || ip === host ? "" : ` (${ip})`;
      return `  ${place}: ${host}${at}, ${phase}`;
    }),
  ];
}

interface Look {
  readonly now: number;
  readonly whole: boolean;
  readonly users: boolean;
  readonly infra: boolean;
}

/** A row, each cell with its title. Source of the columns: SkyPilot 0.3.0. */
function cellsOf(
  cluster: ClusterView,
  { now, whole, users, infra }: Look,
): readonly (readonly [string, string])[] {
  const { name, user, launchedAt, resources, status: state, autostop, command, region } = cluster;
  const fitted = (text: string, width: number): string => (whole ? text : truncated(text, width));
  return [
    ["NAME", name],
    ...(users ? [["USER", user === "" ? "-" : user] as const] : []),
    ["LAUNCHED", agoText(launchedAt, now)],
    ["RESOURCES", fitted(resources, resourcesWidth)],
    ...(infra ? [["INFRA", infraText(cluster)] as const] : []),
    // A local node is in no region.
    ...(whole ? [["REGION", region ?? "-"] as const, ["ZONE", "-"] as const] : []),
    ["STATUS", state],
    ["AUTOSTOP", autostopText(autostop)],
    ["COMMAND", fitted(command, commandWidth)],
  ];
}

/** Source of the form: newer versions of SkyPilot. */
function infraText({ cloud, region }: ClusterView): string {
  return region === undefined ? cloud : `${cloud}/${region}`;
}

function autostopText(autostop: AutostopView | undefined): string {
  if (autostop === undefined) return "-";
  return `${idleText(autostop.idleMs)}${autostop.verb === "down" ? " (down)" : ""}`;
}

function sayHints(shell: Shell, parsed: Parsed, shown: readonly ClusterView[]): void {
  for (const { name, busyWith, silence } of shown) {
    if (busyWith !== undefined) shell.say(`${name} is busy: ${busyWith}`);
    if (silence === undefined) continue;
    const since = agoText(silence.since, shell.now());
    shell.say(`${name} was heard ${since} the last time: ${silence.why}`);
  }
  const armed = shown.filter(({ autostop }) => autostop !== undefined).length;
  if (armed === 0 || isSet(parsed, "refresh")) return;
  const verb = armed === 1 ? "has" : "have";
  shell.say(
    `${countText(armed)} ${verb} auto{stop,down} scheduled. ` +
      "Refresh statuses with: sky status --refresh",
  );
}

function countText(count: number): string {
  return count === 1 ? "1 cluster" : `${count} clusters`;
}

function reservedLast(a: ClusterView, b: ClusterView): number {
  return Number(isReserved(a.name)) - Number(isReserved(b.name));
}

function printIp(shell: Shell, shown: readonly ClusterView[], json: boolean): ExitCode {
  const [only, ...more] = shown;
  const address = only?.nodes[0]?.ip;
  if (only === undefined) {
    if (json) printJson(shell, null);
    return exitCodes.done;
  }
  if (more.length > 0) {
    const names = shown.map(({ name }) => name).join(", ");
    throw new WrongUse(`--ip takes exactly one cluster; this names ${names}`);
  }
  if (only.status === "STOPPED" || address === undefined) {
    shell.say(`Cluster ${only.name} has no address now (status: ${only.status}).`);
    return exitCodes.refused;
  }
  if (json) printJson(shell, { name: only.name, ip: address });
  else shell.print(address);
  return exitCodes.done;
}
