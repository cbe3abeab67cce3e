// The flags that launch and exec share: they stand in the place of a task's fields.
//
// Source: SkyPilot's task options. A flag goes as text to the validator that reads the
// file, so that both have the same rules and the same messages.

import type { NamedValue, TaskFlags } from "../task-flags.ts";
import { WrongUse } from "./exit-codes.ts";
import type { Flag, Parsed } from "./flags.ts";
import { isSet, textFlag, textsFlag } from "./flags.ts";

export const taskFlagTable: readonly Flag[] = [
  { usage: "-n, --name <NAME>", about: "The task's name." },
  { usage: "--workdir <DIR>", about: "A folder whose content the job finds in ~/sky_workdir." },
  { usage: "--git-url <URL>", about: "A git repository for a workdir: needs a cloud." },
  { usage: "--git-ref <REF>", about: "Its branch, tag or commit." },
  { usage: "--num-nodes <N>", about: "How many nodes run the task." },
  { usage: "--cpus <N>", about: "CPUs of each node: 4, 0.5 or 4+." },
  { usage: "--memory <GB>", about: "Memory of each node in GB: 16 or 16+." },
  { usage: "--gpus <NAME:COUNT>", about: "Accelerators of each node: V100, V100:4 or V100:0.5." },
  { usage: "--infra <INFRA>", about: "Where, as cloud/region: local, ssh, ssh/my-pool." },
  { usage: "--cloud <CLOUD>", about: "Where: local or ssh." },
  { usage: "--region <REGION>", about: "The cloud's region: with ssh, a pool of hosts." },
  { usage: "--zone <ZONE>", about: "The cloud's zone." },
  { usage: "-t, --instance-type <TYPE>", about: "The cloud's machine type." },
  { usage: "--image-id <IMAGE>", about: "The cloud's image." },
  { usage: "--disk-size <GB>", about: "Size of the disk in GB." },
  { usage: "--disk-tier <TIER>", about: "How fast the disk is: low, medium, high, ultra, best." },
  { usage: "--network-tier <TIER>", about: "How fast the network is: standard or best." },
  { usage: "--local-disk <DISK>", about: "A disk of the machine's own: nvme:1000+, ssd, 500." },
  {
    usage: "--ports <PORTS>",
    about: "Ports that the cloud opens: 8080, 8000-8010 or 80,443. Repeatable.",
    repeated: true,
  },
  { usage: "--use-spot", about: "Ask for spot machines." },
  { usage: "--no-use-spot", about: "Ask for machines that stay." },
  { usage: "--priority <N>", about: "Higher goes first; none takes the file's away." },
  {
    usage: "--config <KEY=VALUE>",
    about: "A setting for this task: grace_seconds=30, or a file of them. Repeatable.",
    repeated: true,
  },
  {
    usage: "--env <KEY=VALUE>",
    about: "A variable for the job; KEY alone takes it from here. Repeatable.",
    repeated: true,
  },
  {
    usage: "--env-file <FILE>",
    about: "Variables for the job, as a dotenv file; --env goes before it.",
  },
  {
    usage: "--secret <KEY=VALUE>",
    about: "Like --env, never shown. KEY alone keeps it off the command line. Repeatable.",
    repeated: true,
  },
  {
    usage: "--secret-file <FILE>",
    about: "Secrets for the job, as a dotenv file; --secret goes before it.",
  },
];

/** A command's own flags look like ours. */
export const commandTip = "A command with flags of its own goes into quotes, or behind --.";

type Environment = Readonly<Record<string, string | undefined>>;

export function taskFlagsOf(parsed: Parsed, environment: Environment): TaskFlags {
  const texts = ["name", "workdir", "numNodes", "cpus", "memory", "gpus", "cloud", "infra"]
    .concat(["region", "zone", "instanceType", "imageId", "diskSize", "diskTier", "networkTier"])
    .concat(["localDisk", "priority", "gitUrl", "gitRef"])
    .flatMap((name) => {
      const value = textFlag(parsed, name);
      return value === undefined ? [] : [[name, value] as const];
    });
  return {
    ...Object.fromEntries(texts),
    ...(parsed.flags["useSpot"] === undefined ? {} : { useSpot: isSet(parsed, "useSpot") }),
    ...(parsed.flags["ports"] === undefined ? {} : { ports: textsFlag(parsed, "ports") }),
    envs: variablesOf(textsFlag(parsed, "env"), "--env", environment),
    secrets: variablesOf(textsFlag(parsed, "secret"), "--secret", environment),
  };
}

/** `KEY=VALUE`, split at the first `=`; `KEY` takes the value of the command's own environment. */
function variablesOf(
  texts: readonly string[],
  flag: string,
  environment: Environment,
): readonly NamedValue[] {
  return texts.map((text) => {
    const equals = text.indexOf("=");
    if (equals >= 0) return { name: text.slice(0, equals), value: text.slice(equals + 1) };
    const value = environment[text];
    if (value === undefined)
      throw new WrongUse(`${flag}: ${text} is not set in local environment.`);
    return { name: text, value };
  });
}

/** The command as the records show it: words quoted where needed, secrets left out. */
export function commandText(argv: readonly string[]): string {
  const shown = argv.map((word, index) => {
    const isValue = argv[index - 1] === "--secret";
    const secret = isValue ? word : /^--secret=(.*)$/s.exec(word)?.[1];
    if (secret === undefined) return quoted(word);
    const name = secret.split("=")[0] ?? "";
    return isValue ? `${name}=***` : `--secret=${name}=***`;
  });
  return ["sky", ...shown].join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
