// `sky transfers`: the transfers of a home; one of them with its plan and what failed, and why it
// is where it is; the end of one that runs.
//
// A cancel returns when the transfer has ended, so that nothing partial is left behind it.

import type { TransferView } from "../../model/transfer.ts";
import { isEnded } from "../../model/transfer.ts";
import { planPicture } from "../plan-picture.ts";
import { printable } from "../printable.ts";
import { bytesText, dollarsText, grouped } from "../quantity.ts";
import { userName } from "../world-os.ts";
import { type CliCommand, outputFlag, yesFlag } from "./command.ts";
import { consent } from "./consent.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed, wordAt, wordsAt } from "./flags.ts";
import { printJson, wantsJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { printTable } from "./table.ts";
import { agoText, durationText } from "./times.ts";
import { followOnScreen } from "./transfer-follow.ts";
import { transferIdOf } from "./transfer-ids.ts";
import { countsText, failureText, paceText } from "./transfer-text.ts";

const columns = [
  ...["ID", "SUBMITTED", "DURATION", "OBJECTS", "SIZE", "COST", "STATUS"],
  ...["SOURCE", "DESTINATIONS"],
];
const shrink = ["DESTINATIONS", "SOURCE"];
const drop = ["COST", "DURATION", "OBJECTS", "USER", "SUBMITTED", "SIZE"];

export const transfers: CliCommand = {
  name: "transfers",
  args: "[TRANSFER|cancel] [TRANSFERS...]",
  about: "Show transfers, or one with its plan and failures; cancel one.",
  examples: [
    "sky transfers",
    "sky transfers 7",
    "sky transfers 7 --failures",
    "sky transfers 7 --follow",
    "sky transfers cancel 7",
    "sky cp --resume 7",
  ],
  flags: [
    { usage: "-s, --skip-finished", about: "Leave out those that have ended." },
    { usage: "-a, --all-users", about: "Transfers of all users, not only your own." },
    { usage: "--failures", about: "Of one: every object that did not arrive." },
    { usage: "-f, --follow", about: "Of one: watch it until it ends; exit 0 if all arrived." },
    yesFlag,
    outputFlag,
  ],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const first = wordAt(parsed, 0);
    const rest = wordsAt(parsed, 1);
    demandFitting(parsed, { first, count: rest.length });
    if (first === undefined) return list(shell, parsed, json);
    if (first === "cancel") return cancel(shell, parsed, rest.map(transferIdOf));
    const id = transferIdOf(first);
    if (isSet(parsed, "follow")) return followOnScreen(shell, id, { json, debug: false });
    if (isSet(parsed, "failures")) return printFailures(shell, id, json);
    return show(shell, id, json);
  },
};

/** What goes with what: a flag that would have no effect is a misunderstanding. */
function demandFitting(
  parsed: Parsed,
  { first, count }: { readonly first: string | undefined; readonly count: number },
): void {
  const isOne = first !== undefined && first !== "cancel";
  const ofOne = ["failures", "follow"].find((name) => isSet(parsed, name));
  if (ofOne !== undefined && !isOne) throw new WrongUse(`--${ofOne}: name one transfer`);
  if (isSet(parsed, "failures") && isSet(parsed, "follow")) {
    throw new WrongUse("--failures and --follow exclude each other");
  }
  const ofAll = isSet(parsed, "skipFinished") || isSet(parsed, "allUsers");
  if (ofAll && first !== undefined) throw new WrongUse("-s and -a are for the list of all");
  if (isOne && count > 0) throw new WrongUse("one transfer is shown at a time");
  if (first === "cancel" && count === 0) throw new WrongUse("name the transfers to cancel");
}

async function list(shell: Shell, parsed: Parsed, json: boolean): Promise<ExitCode> {
  const allUsers = isSet(parsed, "allUsers");
  const query = {
    skipFinished: isSet(parsed, "skipFinished"),
    ...(allUsers ? {} : { user: userName() }),
  };
  const head = await shell.head();
  const all = await head.listTransfers(query, shell.interrupt);
  if (json) printJson(shell, all);
  else if (all.length === 0) shell.print("No transfers.");
  else {
    const rows = all.map((one) => {
      const [id = "", ...row] = rowOf(one, shell.now());
      return allUsers ? [id, one.user, ...row] : [id, ...row];
    });
    const titles = allUsers ? columns.toSpliced(1, 0, "USER") : columns;
    printTable(shell, { columns: titles, rows, shrink, drop });
  }
  return exitCodes.done;
}

function rowOf(view: TransferView, now: number): readonly string[] {
  const { id, submittedAt, startedAt, endedAt, counts, status, source, destinations } = view;
  const { listed, isListed, done, skipped } = counts;
  return [
    String(id),
    agoText(submittedAt, now),
    durationText(startedAt, endedAt ?? now),
    `${grouped(done + skipped)}/${grouped(listed)}${isListed ? "" : "+"}`,
    bytesText(counts.listedBytes),
    view.cost === 0 ? "-" : dollarsText(view.cost),
    status,
    source,
    destinations.join(", "),
  ];
}

async function show(shell: Shell, id: number, json: boolean): Promise<ExitCode> {
  const head = await shell.head();
  const view = await head.getTransfer(id, shell.interrupt);
  if (json) printJson(shell, view);
  else for (const line of explained(view, shell.now())) shell.print(line);
  return exitCodes.done;
}

/** What it is, where it is and why. */
function explained(view: TransferView, now: number): readonly string[] {
  const { id, status, verb, source, destinations, user, submittedAt, counts, plan, why } = view;
  const to = destinations.map(printable).join(", ");
  const ran = durationText(view.startedAt, view.endedAt ?? now);
  const { failures } = view;
  const pace = paceText(view, now);
  const more = counts.failed > failures.length;
  return [
    `Transfer ${id}: ${status}`,
    `  ${verb} ${printable(source)} → ${to}`,
    `  submitted ${agoText(submittedAt, now)}${user === "" ? "" : ` by ${user}`}, ran ${ran}`,
    `  as: ${printable(view.command)}`,
    ...(why === "" ? [] : [`  why: ${printable(why)}`]),
    `  ${countsText(counts)}`,
    ...(isEnded(status) || pace === undefined ? [] : [`  ${pace}`]),
    ...(view.cost > 0 ? [`  cost so far: ${dollarsText(view.cost)}`] : []),
    ...(plan === undefined ? [] : planPicture(plan, counts.listedBytes).map(indented)),
    ...(plan?.notes ?? []).map((note) => `  Note: ${printable(note)}`),
    ...(failures.length === 0 ? [] : ["  Failed:"]),
    ...failures.map((failure) => `    ${failureText(failure)}`),
    ...(more ? [`    … all of them: sky transfers ${id} --failures`] : []),
    ...hints(view),
  ];
}

function hints({ id, status, counts }: TransferView): readonly string[] {
  if (!isEnded(status)) {
    return [`To follow it: sky transfers ${id} --follow; to cancel it: sky transfers cancel ${id}`];
  }
  const isWhole = status === "SUCCEEDED" && counts.failed === 0;
  return isWhole ? [] : [`To do what is left: sky cp --resume ${id}`];
}

function indented(line: string): string {
  return `  ${line}`;
}

async function printFailures(shell: Shell, id: number, json: boolean): Promise<ExitCode> {
  const head = await shell.head();
  const failures = await head.transferFailures(id, shell.interrupt);
  if (json) printJson(shell, failures);
  else for (const failure of failures) shell.print(failureText(failure));
  if (!json && failures.length === 0) shell.print(`Transfer ${id} has no failures.`);
  return exitCodes.done;
}

/** What a cancel does of one that failed. */
const givenUp = "had FAILED already; what it kept for a --resume is given up";

async function cancel(shell: Shell, parsed: Parsed, given: readonly number[]): Promise<ExitCode> {
  const ids = [...new Set(given)];
  const what = `transfer${ids.length === 1 ? "" : "s"} ${ids.join(", ")}`;
  await consent(shell, parsed, { question: `Cancelling ${what}. Proceed?`, exact: true });
  const head = await shell.head();
  const user = userName();
  // One that nobody knows is found before any is cancelled.
  const known = await Promise.all(ids.map((id) => head.getTransfer(id, shell.interrupt)));
  for (const { id: transfer, status: before } of known) {
    // One that failed may have left what a resume would go on with: that is given up, too.
    if (isEnded(before) && before !== "FAILED") {
      shell.print(`Transfer ${transfer} had ended already (status: ${before}).`);
      continue;
    }
    await head.cancelTransfer({ transfer, user }, shell.interrupt);
    // What is partial goes before it has ended.
    const { status } = await ended(shell, transfer);
    const text = before === "FAILED" ? givenUp : `had ended already (status: ${status})`;
    shell.print(`Transfer ${transfer} ${status === "CANCELLED" ? "cancelled" : text}.`);
  }
  return exitCodes.done;
}

async function ended(shell: Shell, transfer: number): Promise<TransferView> {
  const [{ followTransfer }, { setTimeout: pause }] = await Promise.all([
    import("../transfer-follow.ts"),
    import("node:timers/promises"),
  ]);
  const head = await shell.head();
  const signal = shell.interrupt;
  const ports = { signal, pause: (ms: number) => pause(ms, undefined, { signal }) };
  for await (const event of followTransfer(head, transfer, ports)) {
    if (event.kind === "state" && isEnded(event.view.status)) return event.view;
  }
  return head.getTransfer(transfer, signal);
}
