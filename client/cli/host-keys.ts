// Keys of hosts that are new: shown with their fingerprints, and trusted when somebody says so.
//
// A key that differs from the one on record is never a question: that error is another one.

import { isSkyError, SkyError } from "../../model/errors.ts";
import { isSet, type Parsed } from "./flags.ts";
import type { Shell } from "./shell.ts";

/** A host behind jump hosts shows its key only when theirs are trusted. */
const roundsMax = 8;

/** Any key that is new. */
export const anyNewKey = "*";

/**
 * Does what needs hosts, and again with their keys when somebody trusts them.
 * @throws SkyError `ssh/host-key-unknown` where nobody can, or nobody does.
 */
export async function withHostKeys<T>(
  shell: Shell,
  parsed: Parsed,
  attempt: (trusted: readonly string[]) => Promise<T>,
): Promise<T> {
  const trusted = new Set(isSet(parsed, "yes") ? [anyNewKey] : []);
  for (let round = 1; ; round += 1) {
    try {
      return await attempt([...trusted]);
    } catch (error) {
      const isOurs = isSkyError(error, "ssh/host-key-unknown") && round < roundsMax;
      const keys = isOurs ? fingerprintsOf(error.message) : [];
      if (!isOurs || keys.every((key) => trusted.has(key))) throw error;
      await askFor(shell, error);
      for (const key of keys) trusted.add(key);
    }
  }
}

function fingerprintsOf(text: string): readonly string[] {
  return text.match(/SHA256:[A-Za-z0-9+/=]+/g) ?? [];
}

async function askFor(shell: Shell, error: SkyError): Promise<void> {
  if (!shell.interactive) {
    const advice = "To trust what is new: -y, or log in to each once with ssh";
    const problems = `${error.message}\n${advice}`;
    throw new SkyError("ssh/host-key-unknown", { problems }, { cause: error });
  }
  shell.progress(undefined);
  shell.say(error.message);
  const count = fingerprintsOf(error.message).length;
  const question = count === 1 ? "Trust this key from now on?" : "Trust these keys from now on?";
  if (!(await shell.confirm(question, false))) throw new Error("Aborted.");
}
