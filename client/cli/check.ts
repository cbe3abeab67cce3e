// `sky check`: which clouds can be used, and why others cannot.
// The local cloud needs nothing installed, so it is always there. `sky check ssh` logs in to hosts:
// `check-hosts.ts`.

import { errorText, isSkyError } from "../../model/errors.ts";
import { hintText } from "../../model/suggest.ts";
import { checkPools, noPools, poolsOf } from "./check-hosts.ts";
import { type CliCommand, configFlag, outputFlag } from "./command.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { type Parsed, wordsAt } from "./flags.ts";
import { printJson, wantsJson } from "./output.ts";
import { painted } from "./paint.ts";
import type { Shell } from "./shell.ts";

interface CloudCheck {
  /** As `resources.cloud` of a task names it. */
  readonly cloud: string;
  readonly enabled: boolean;
  /** Why, as a sentence. */
  readonly reason: string;
}

/** R2, Cloudflare's buckets, is no place for machines, but SkyPilot checks it. */
const otherNames = ["cloudflare"];

/** Every name that may stand in a task file, with what can be done there. */
async function allChecks(shell: Shell): Promise<readonly CloudCheck[]> {
  const { cloudNames } = await import("../task-clouds.ts");
  const ssh = await sshCheck(shell);
  return [...cloudNames, ...otherNames].map((cloud) => {
    if (cloud === "local") return localCheck;
    if (cloud === "ssh") return ssh;
    return { cloud, enabled: false, reason: "This version cannot use it yet." };
  });
}

const localCheck: CloudCheck = {
  ...{ cloud: "local", enabled: true, reason: "Nodes are folders of this machine." },
};

/** As far as its file tells. Nobody is logged in to. */
async function sshCheck(shell: Shell): Promise<CloudCheck> {
  const cloud = "ssh";
  try {
    const pools = await poolsOf(shell);
    if (pools.length === 0) return { cloud, enabled: false, reason: noPools(shell) };
    const count = (hosts: number): string => (hosts === 1 ? "1 host" : `${hosts} hosts`);
    const list = pools.map(({ name, hosts }) => `${name} (${count(hosts.length)})`).join(", ");
    return { cloud, enabled: true, reason: `Pools: ${list}. To look at them: sky check ssh` };
  } catch (error) {
    if (!isSkyError(error, "pools/invalid")) throw error;
    const reason = `Its pools file has faults: ${errorText(error).split("\n")[0]}`;
    return { cloud, enabled: false, reason };
  }
}

export const check: CliCommand = {
  name: "check",
  args: "[CLOUDS...]",
  about: "Show which clouds can be used, and why not; with ssh, look at its hosts.",
  examples: ["sky check", "sky check ssh", "sky check ssh/my-pool", "sky check -o json"],
  flags: [
    { usage: "-y, --yes", about: "Trust keys of hosts that are new; never one that changed." },
    { usage: "-v, --verbose", about: "Show the reasons of all of them." },
    {
      usage: "-w, --workspace <NAME>",
      about: "Of one workspace.",
      hidden: true,
      refused: "there are no workspaces: a home is one person's, or shared by all who use it",
    },
    configFlag,
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const words = wordsAt(parsed, 0).map((word) => word.replace(/^k8s$/i, "kubernetes"));
    const hosts = words.filter((word) => /^ssh(\/|$)/i.test(word));
    const others = words.filter((word) => !hosts.includes(word)).map((word) => word.toLowerCase());
    const checks = await allChecks(shell);
    const known = checks.map(({ cloud }) => cloud);
    const unknown = others.find((word) => !known.includes(word));
    if (unknown !== undefined) {
      throw new WrongUse(`there is no cloud '${unknown}'.${hintText(unknown, known)}`);
    }
    const isAll = words.length === 0;
    const shown = checks.filter(({ cloud }) => isAll || others.includes(cloud));
    if (hosts.length > 0 && shown.length === 0) return checkSsh(shell, parsed, { hosts, json });
    if (hosts.length > 0 && json) throw new WrongUse("with -o json, ssh stands alone");
    if (json) printJson(shell, shown);
    else printChecks(shell, shown, parsed.flags["verbose"] === true || !isAll);
    if (hosts.length === 0) return codeOf(shown);
    const code = await checkSsh(shell, parsed, { hosts, json });
    return code === exitCodes.done ? code : codeOf(shown);
  },
};

/** `ssh`, or some of its pools: `ssh/lab`. */
async function checkSsh(
  shell: Shell,
  parsed: Parsed,
  { hosts, json }: { readonly hosts: readonly string[]; readonly json: boolean },
): Promise<ExitCode> {
  const all = await poolsOf(shell);
  const names = hosts.map((word) => word.slice("ssh/".length));
  const known = all.map(({ name }) => name);
  const unknown = names.find((name) => name !== "" && !known.includes(name));
  if (all.length > 0 && unknown !== undefined) {
    throw new WrongUse(`there is no pool '${unknown}'.${hintText(unknown, known)}`);
  }
  if (all.length === 0) {
    if (json) printJson(shell, []);
    else shell.print(noPools(shell));
    return exitCodes.refused;
  }
  const pools = all.filter(({ name }) => names.includes("") || names.includes(name));
  const isFine = await checkPools(shell, parsed, { pools, json });
  return isFine ? exitCodes.done : exitCodes.refused;
}

function printChecks(shell: Shell, shown: readonly CloudCheck[], whole: boolean): void {
  const looked = ({ enabled }: CloudCheck): string => {
    const text = enabled ? "enabled" : "disabled";
    return shell.colours ? painted(text, enabled ? "green" : "dim") : text;
  };
  const width = Math.max(...shown.map(({ cloud }) => cloud.length));
  for (const row of shown.filter(({ enabled }) => whole || enabled)) {
    shell.print(`${row.cloud.padEnd(width)}  ${looked(row)}  ${row.reason}`);
  }
  const rest = shown.filter(({ enabled }) => !whole && !enabled).map(({ cloud }) => cloud);
  if (rest.length > 0) shell.print(`Not there yet: ${rest.join(", ")}.`);
}

/** Some cloud can be used, of those that were asked for. */
function codeOf(shown: readonly CloudCheck[]): ExitCode {
  return shown.some(({ enabled }) => enabled) ? exitCodes.done : exitCodes.refused;
}
