// What `sky` says of transfers: what would be done, how far one is, and what became of it. Pure.
//
// Names of objects may hold anything; what a terminal would take for commands is shown as text.

import type {
  TransferCounts,
  TransferEvent,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../../model/transfer.ts";
import { transferPathText } from "../../transfer/stores/paths.ts";
import { planPicture, siteName } from "../plan-picture.ts";
import { printable } from "../printable.ts";
import { bytesText, countText, gbpsText, grouped, rateText, secondsText } from "../quantity.ts";

/** Pairs that are shown of a preview. */
const sampleMax = 5;
const barWidth = 20;

/** What would be done, line by line. */
export function previewLines(order: TransferOrder, preview: TransferPreview): readonly string[] {
  const { plan, objects, bytes, isPart, sample, deletes, notes } = preview;
  const verb = order.verb === "sync" ? "sync" : "copy";
  const more = isPart ? "at least " : "";
  const several = order.destinations.length > 1;
  const each = several ? " to write (each counts at every destination)" : "";
  const shown = sample.slice(0, sampleMax);
  return [
    `Will ${verb} ${pathText(order.source)} to ${order.destinations.map(pathText).join(", ")}`,
    `  ${more}${countText(objects, "object")}${each}, ${more}${bytesText(bytes)}`,
    ...shown.map(({ from, to, bytes: size }) => {
      return `  ${printable(from)} => ${printable(to)} (${bytesText(size)})`;
    }),
    ...(objects > shown.length ? ["  ..."] : []),
    ...(deletes > 0 ? [`  ${countText(deletes, "object")} at the destination would go`] : []),
    ...planPicture(plan, bytes),
    `No machine is made for it: ${gatewaysText(preview)} up already.`,
    ...[...plan.notes, ...notes].map((note) => `Note: ${printable(note)}`),
  ];
}

function pathText(path: TransferOrder["source"]): string {
  return printable(transferPathText(path));
}

function gatewaysText({ plan }: TransferPreview): string {
  const names = plan.sites.filter(({ gateways }) => gateways > 0).map(({ id }) => siteName(id));
  if (names.length === 0) return "what it needs is";
  return `${names.join(", ")} ${names.length === 1 ? "is" : "are"}`;
}

type Progress = Extract<TransferEvent, { kind: "progress" }>;

/** One line; of several destinations one more for each. */
export function progressLines(
  { counts, bytesPerSecond, secondsLeft, destinations }: Progress,
  names: readonly string[],
): readonly string[] {
  const { listed, listedBytes, isListed, done, skipped, failed, retries } = counts;
  const arrived = counts.doneBytes + counts.movingBytes;
  const parts = [
    ...(isListed ? [bar(arrived, listedBytes)] : []),
    `${bytesText(arrived)} of ${bytesText(listedBytes)}${isListed ? "" : " or more"}`,
    rateText(bytesPerSecond),
    ...(secondsLeft === undefined || !isListed
      ? []
      : [`ETA ${secondsText(Math.ceil(secondsLeft))}`]),
    `${grouped(done + skipped)}/${grouped(listed)}${isListed ? "" : "+"} objects`,
    ...(retries > 0 ? [`${retries} ${retries === 1 ? "retry" : "retries"}`] : []),
    ...(failed > 0 ? [`${grouped(failed)} failed`] : []),
  ];
  if (names.length < 2) return [parts.join("  ")];
  const share = listedBytes / names.length;
  const each = destinations.map(({ done: objects, doneBytes }, index) => {
    const name = printable(names[index] ?? "");
    // What a destination had before is not in the total, and each may have had something else.
    const far = isListed && skipped === 0 ? `${bar(doneBytes, share)}  ` : "";
    return `  ${far}${bytesText(doneBytes)}  ${countText(objects, "object")}  ${name}`;
  });
  return [parts.join("  "), ...each];
}

/** `[########------------]  40%`. */
function bar(done: number, total: number): string {
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const full = Math.floor(part * barWidth);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `[${"#".repeat(full)}${"-".repeat(barWidth - full)}] ${percent}%`;
}

/** What became of it, in a line. */
export function outcomeText(view: TransferView): string {
  const { id, status, counts, destinations, why } = view;
  const { done, doneBytes, skipped, deleted, failed, listed } = counts;
  const where = destinations.length > 1 ? ` to ${destinations.length} destinations` : "";
  const extra = [
    ...(skipped > 0 ? [`${grouped(skipped)} there already`] : []),
    ...(deleted > 0 ? [`${grouped(deleted)} deleted`] : []),
  ];
  const what = `${countText(done, "object")}, ${bytesText(doneBytes)}${where}${speedText(view)}`;
  if (status === "SUCCEEDED") {
    return `Transfer ${id} SUCCEEDED: ${[what, ...extra].join("; ")}.`;
  }
  const arrived = `${grouped(done + skipped)} of ${countText(listed, "object")} arrived`;
  const said = why === "" ? `${grouped(failed)} failed` : printable(why);
  return `Transfer ${id} ${status}: ${arrived}; ${said}`;
}

/** The rate of less than that says nothing. */
const ratedBytesMin = 1_000_000;

/** ` in 12s (112.0 MB/s, 0.90 Gbit/s)`: what was moved, over all the time that it took. */
function speedText({ startedAt, endedAt, counts: { doneBytes } }: TransferView): string {
  if (startedAt === undefined || endedAt === undefined || endedAt <= startedAt) return "";
  const seconds = (endedAt - startedAt) / 1_000;
  const rate = doneBytes / seconds;
  const rates = `${rateText(rate)}, ${gbpsText((rate * 8) / 1e9)}`;
  const speed = doneBytes >= ratedBytesMin ? ` (${rates})` : "";
  return ` in ${seconds < 0.1 ? "less than 0.1s" : secondsText(seconds)}${speed}`;
}

/** `79 done (2.6 GB), 0 there already, 2 failed, 3 retries, 2 rounds`. */
export function countsText(counts: TransferCounts): string {
  const { listed, listedBytes, isListed, done, doneBytes, skipped, failed } = counts;
  const parts = [
    `${countText(listed, "object")}${isListed ? "" : " so far"} (${bytesText(listedBytes)})`,
    `${grouped(done)} done (${bytesText(doneBytes)})`,
    ...(counts.movingBytes > 0 ? [`${bytesText(counts.movingBytes)} of others on their way`] : []),
    ...(skipped > 0 ? [`${grouped(skipped)} there already`] : []),
    ...(counts.deleted > 0 ? [`${grouped(counts.deleted)} deleted`] : []),
    `${grouped(failed)} failed`,
    `${counts.retries} ${counts.retries === 1 ? "retry" : "retries"}`,
    countText(counts.rounds, "round"),
  ];
  return parts.join(", ");
}

/** Of one that runs: its rate over all the time that it has taken, and what that leaves. */
export function paceText({ startedAt, counts }: TransferView, now: number): string | undefined {
  const bytes = counts.doneBytes + counts.movingBytes;
  if (startedAt === undefined || now <= startedAt || bytes === 0) return undefined;
  const rate = (bytes * 1_000) / (now - startedAt);
  const left = secondsText(Math.ceil(Math.max(0, counts.listedBytes - bytes) / rate));
  return `${rateText(rate)} so far${counts.isListed ? `, about ${left} left` : ""}`;
}

/** An object that did not arrive. */
export function failureText(failure: TransferView["failures"][number]): string {
  const { object, destination, why } = failure;
  return `${printable(object)} → ${printable(destination)}: ${printable(why)}`;
}
