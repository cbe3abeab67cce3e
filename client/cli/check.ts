// `sky check`: which clouds can be used, and why others cannot.
// The local cloud needs nothing installed, so it is always there.

import { hintText } from "../../model/suggest.ts";
import { type CliCommand, configFlag, outputFlag } from "./command.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { wordsAt } from "./flags.ts";
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
async function allChecks(): Promise<readonly CloudCheck[]> {
  const { cloudNames } = await import("../task-clouds.ts");
  return [...cloudNames, ...otherNames].map((cloud) => {
    if (cloud === "local") return localCheck;
    return { cloud, enabled: false, reason: "This version cannot use it yet." };
  });
}

const localCheck: CloudCheck = {
  ...{ cloud: "local", enabled: true, reason: "Nodes are folders of this machine." },
};

export const check: CliCommand = {
  name: "check",
  args: "[CLOUDS...]",
  about: "Show which clouds can be used, and why others cannot.",
  examples: ["sky check", "sky check aws gcp", "sky check -o json"],
  flags: [
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
    const checks = await allChecks();
    const words = wordsAt(parsed, 0).map((word) =>
      word.toLowerCase().replace(/^k8s$/, "kubernetes"),
    );
    const known = checks.map(({ cloud }) => cloud);
    const unknown = words.find((word) => !known.includes(word));
    if (unknown !== undefined) {
      throw new WrongUse(`there is no cloud '${unknown}'.${hintText(unknown, known)}`);
    }
    const shown = checks.filter(({ cloud }) => words.length === 0 || words.includes(cloud));
    if (json) printJson(shell, shown);
    else printChecks(shell, shown, parsed.flags["verbose"] === true || words.length > 0);
    return codeOf(shown);
  },
};

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
