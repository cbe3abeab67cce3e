// The check of the home's content store, by what the head says of it.

import { at, ok, type Verdict, warning } from "./doctor.ts";
import { storeText } from "./inspection.ts";

/** From this share on a submit may soon be refused. */
const pinnedShareMax = 0.9;

export function storeVerdict(inside: unknown): Verdict {
  const counts = numbersIn(at(inside, "process", "chunks"));
  const { pinnedBytes = 0, limitBytes = 0, damaged = 0 } = counts;
  if (counts["chunks"] === undefined) return ok("no head was asked");
  const text = storeText(counts);
  if (damaged > 0) {
    const remedy = "nobody was given them: submit again what needs them, and look at the disk";
    return warning(`${text} since the start of the head`, remedy);
  }
  if (limitBytes > 0 && pinnedBytes > pinnedShareMax * limitBytes) {
    const remedy = "raise chunks.bytes in config.yaml, or wait until jobs with workdirs have ended";
    return warning(`${text}: nearly all of it is needed by jobs`, remedy);
  }
  return ok(text);
}

/** The head may be of another version: what is no number is left out. */
function numbersIn(found: unknown): Readonly<Record<string, number>> {
  if (typeof found !== "object" || found === null) return {};
  const entries = Object.entries(found).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  return Object.fromEntries(entries);
}
