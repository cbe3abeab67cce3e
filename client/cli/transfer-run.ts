// What `sky cp` and `sky sync` share: say what would be done and at what price, ask, start, follow.
//
// Nothing is started before the plan was shown: on stderr, for people. In a pipe every line on
// stdout is one JSON object: `{"kind":"preview",…}`, `{"kind":"started",…}`, then the events.

import { randomUUID } from "node:crypto";
import { SkyError } from "../../model/errors.ts";
import type { TransferOrder, TransferPreview } from "../../model/transfer.ts";
import type { Head } from "../head.ts";
import { dollarsText } from "../quantity.ts";
import { storeCredentials } from "../store-credentials-os.ts";
import { type TransferWords, transferOrder } from "../transfer-order.ts";
import { userName, world } from "../world-os.ts";
import { consent } from "./consent.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed, textFlag, wordAt, wordsAt } from "./flags.ts";
import { printJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { commandText } from "./task-flags.ts";
import { choiceOf } from "./transfer-flags.ts";
import { followOnScreen, type Look } from "./transfer-follow.ts";
import { transferIdOf } from "./transfer-ids.ts";
import { previewLines } from "./transfer-text.ts";

type Verb = TransferWords["verb"];

export async function runTransfer(shell: Shell, parsed: Parsed, verb: Verb): Promise<ExitCode> {
  const look = lookOf(shell, parsed);
  const resumed = textFlag(parsed, "resume");
  if (resumed !== undefined) return resume(shell, parsed, { text: resumed, look });
  const order = orderOf(parsed, verb);
  const head = await shell.head();
  const asked = { order, environment: storeCredentials() };
  if (shell.showsProgress) shell.progress("Looking at what there is to do…");
  const preview = await head.previewTransfer(asked, shell.interrupt);
  shell.progress(undefined);
  if (isSet(parsed, "dryRun")) {
    // A plan is for people, in a pipe too: only who asks for JSON gets it.
    if (textFlag(parsed, "output") === "json") printJson(shell, preview);
    else for (const line of previewLines(order, preview)) shell.print(line);
    demandCost(order, preview);
    return exitCodes.done;
  }
  if (look.json) shell.print(JSON.stringify({ kind: "preview", preview }));
  if (isNothing(preview)) {
    if (!look.json) shell.print(nothingText(verb));
    return exitCodes.done;
  }
  demandCost(order, preview);
  for (const line of previewLines(order, preview)) shell.say(line);
  await consent(shell, yesOf(parsed), { question: "Continue?", exact: isExact(order, preview) });
  const id = await started(shell, () => head.startTransfer(asked, shell.interrupt));
  return go(shell, parsed, { id, look });
}

function lookOf(shell: Shell, parsed: Parsed): Look {
  const format = textFlag(parsed, "output") ?? (shell.isTerminal ? "text" : "json");
  return { json: format === "json", debug: isSet(parsed, "debug") };
}

/** @throws WrongUse; SkyError `request/invalid` for a path that is none. */
function orderOf(parsed: Parsed, verb: Verb): TransferOrder {
  const source = wordAt(parsed, 0) ?? "";
  const destinations = wordsAt(parsed, 1);
  if (source === "" || destinations.length === 0) {
    throw new WrongUse("name a source and at least one destination: sky cp SRC DST [DST...]");
  }
  const { cwd, home, kindOf } = world();
  return transferOrder({ verb, source, destinations }, choiceOf(parsed), {
    ...{ cwd, home, user: userName(), idempotencyKey: randomUUID() },
    command: commandText(process.argv.slice(2)),
    isFolder: (path) => kindOf(path) === "directory",
  });
}

function yesOf(parsed: Parsed): Parsed {
  const { args, flags } = parsed;
  return isSet(parsed, "confirm") ? { args, flags: { ...flags, yes: true } } : parsed;
}

/** A sync that deletes may reach further than meant; everything else was named. */
function isExact({ options }: TransferOrder, { deletes, isPart }: TransferPreview): boolean {
  return !options.delete || (deletes === 0 && !isPart);
}

/** What is known to fail is not nothing: its outcome, and the exit code, have to say so. */
function isNothing({ objects, deletes, failed, isPart }: TransferPreview): boolean {
  return objects === 0 && deletes === 0 && failed === 0 && !isPart;
}

function nothingText(verb: Verb): string {
  return verb === "sync"
    ? "Nothing to do: the destination has everything."
    : "Nothing to do: no object is left to copy.";
}

/** @throws SkyError `transfer/too-costly`, `plan/infeasible`. */
function demandCost({ options }: TransferOrder, { plan }: TransferPreview): void {
  const { costMax = Infinity, pricePerGb = Infinity } = options;
  if (plan.pricePerGb > pricePerGb) {
    const least = Number(plan.pricePerGb.toFixed(6));
    const why = `$${least} for a GB is the least found, $${pricePerGb} is the ceiling`;
    throw new SkyError("plan/infeasible", { why });
  }
  if (plan.cost <= costMax) return;
  const [cost, limit] = [plan.cost, costMax].map((usd) => dollarsText(usd).slice(1));
  throw new SkyError("transfer/too-costly", { cost: cost ?? "", limit: limit ?? "" });
}

async function resume(
  shell: Shell,
  parsed: Parsed,
  { text, look }: { readonly text: string; readonly look: Look },
): Promise<ExitCode> {
  if (wordAt(parsed, 0) !== undefined) {
    throw new WrongUse("--resume goes on with a transfer as it was ordered: it takes no paths");
  }
  const transfer = transferIdOf(text);
  const head: Head = await shell.head();
  const asked = { transfer, user: userName(), environment: storeCredentials() };
  const id = await started(shell, () => head.resumeTransfer(asked, shell.interrupt));
  if (!look.json) shell.say(`Transfer ${id} does what transfer ${transfer} left undone.`);
  return go(shell, parsed, { id, look });
}

/** Who presses Ctrl-C here cannot know whether it was recorded: that is told. */
async function started(shell: Shell, start: () => Promise<number>): Promise<number> {
  try {
    return await start();
  } catch (error) {
    if (shell.interrupt.aborted) shell.say("If it was recorded, it runs on: see `sky transfers`.");
    throw error;
  }
}

async function go(
  shell: Shell,
  parsed: Parsed,
  { id, look }: { readonly id: number; readonly look: Look },
): Promise<ExitCode> {
  if (look.json) shell.print(JSON.stringify({ kind: "started", transfer: id }));
  else shell.print(`Transfer ${id} started.`);
  if (!isSet(parsed, "detach")) return followOnScreen(shell, id, look);
  if (!look.json) shell.say(`To follow it:  sky transfers ${id} --follow`);
  return exitCodes.done;
}
