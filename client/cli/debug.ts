// `sky debug`: what the head's process is doing, for people, for a metrics server, and as a file
// for a bug report. It looks at a head that runs, and starts none.
//
// What it prints may change with every version: no program should read it, apart from `metrics`. A
// cluster that is called `export` or `metrics` is shown by `sky debug` without a name, among all.

import { SkyError } from "../../model/errors.ts";
import { runningHead } from "../doctor-head-os.ts";
import { inspectionText, metricsOf } from "../inspection.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { type Parsed, textFlag, wordAt } from "./flags.ts";
import { printJson, wantsJson } from "./output.ts";
import type { Shell } from "./shell.ts";

export const debug: CliCommand = {
  name: "debug",
  args: "[export|metrics] [CLUSTER]",
  about: "Show the inside of the running head; export: write a file for a bug report.",
  examples: ["sky debug", "sky debug demo", "sky debug metrics", "sky debug export demo"],
  flags: [
    { usage: "--to <FILE>", about: "With export: where to write it (default: here)." },
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const first = wordAt(parsed, 0);
    const second = wordAt(parsed, 1);
    if (json && (first === "export" || first === "metrics")) {
      throw new WrongUse(`-o json: \`sky debug ${first}\` has a format of its own`);
    }
    if (first === "export") return writeBundle(shell, parsed, second);
    if (second !== undefined) throw new WrongUse("name one cluster, or none for all");
    if (textFlag(parsed, "to") !== undefined)
      throw new WrongUse("--to goes with `sky debug export`");
    const metrics = first === "metrics";
    const { version, inside } = await inspected(shell, metrics ? undefined : first);
    if (metrics) shell.print(metricsOf(inside).trimEnd());
    else if (json) printJson(shell, { head: version, inside });
    else shell.print(inspectionText(version, inside, shell.now()));
    return exitCodes.done;
  },
};

async function inspected(shell: Shell, cluster: string | undefined) {
  const head = await runningHead(shell.home);
  if (head === undefined) throw new SkyError("head/not-running", { home: shell.home.root });
  try {
    const [version, json] = await Promise.all([
      head.version(shell.interrupt),
      head.inspect(cluster, shell.interrupt),
    ]);
    const inside: unknown = JSON.parse(json);
    return { version, inside };
  } finally {
    head.close();
  }
}

async function writeBundle(
  shell: Shell,
  parsed: Parsed,
  cluster: string | undefined,
): Promise<ExitCode> {
  const { exportBundle } = await import("../debug-bundle-os.ts");
  const to = textFlag(parsed, "to");
  const path = await exportBundle({
    ...{ home: shell.home, nowMs: shell.now(), signal: shell.interrupt },
    ...(cluster === undefined ? {} : { cluster }),
    ...(to === undefined ? {} : { to }),
  });
  shell.print(path);
  shell.say(
    "It holds no secrets, no logs of ranks, no contents of your files and no values of " +
      "environments. It names clusters, jobs, users and paths: gzip -dc shows all of it.",
  );
  return exitCodes.done;
}
