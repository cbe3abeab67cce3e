// `sky down`: take clusters down; nothing of them is left but their logs.
// A cluster that is gone already is not an error for its neighbours.

import type { Head } from "../head.ts";
import { userName } from "../world-os.ts";
import {
  allClustersFlag,
  allUsersFlag,
  type CliCommand,
  configFlag,
  groupYesFlag,
  serverFlags,
} from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { isSet, wordsAt } from "./flags.ts";
import { actOnGroup } from "./group.ts";
import { isReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";

export const down: CliCommand = {
  name: "down",
  args: "[CLUSTERS...]",
  about: "Take clusters down; only their logs are kept.",
  examples: ["sky down demo", "sky down -a -y", "sky down 'train-*' --purge"],
  flags: [
    allClustersFlag,
    allUsersFlag,
    {
      usage: "-p, --purge",
      about: "Forget them even if a cloud refuses: what may be left is named.",
    },
    configFlag,
    ...serverFlags,
    groupYesFlag,
  ],
  run: async (shell, parsed) => {
    const purge = isSet(parsed, "purge");
    const [only, ...others] = wordsAt(parsed, 0);
    if (only !== undefined && others.length === 0 && isReserved(only)) {
      const known = await (await shell.head()).status([], shell.interrupt);
      if (!known.some(({ name }) => name === only)) {
        shell.print(`Controller ${only} has already been torn down.`);
        return exitCodes.done;
      }
    }
    return actOnGroup(shell, parsed, {
      verb: "down",
      doing: "Terminating",
      done: (name) => `Terminating cluster ${name}...done.`,
      act: (head, name) => takeDown(shell, head, { name, purge }),
    });
  },
};

async function takeDown(
  shell: Shell,
  head: Head,
  { name, purge }: { readonly name: string; readonly purge: boolean },
): Promise<string | undefined> {
  const wanted = { cluster: name, purge, user: userName() };
  const { logsArchive, leftBehind, kept } = await head.down(wanted, shell.interrupt);
  if (leftBehind !== "") shell.say(`Warning: ${name} was purged; left behind: ${leftBehind}`);
  for (const what of kept) shell.say(`Kept: ${what}`);
  if (logsArchive === "") return undefined;
  return `Terminating cluster ${name}...done. Its logs are in ${logsArchive}`;
}
