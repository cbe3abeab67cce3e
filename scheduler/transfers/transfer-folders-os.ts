// The folders of transfers in a home: one for each that has not ended well.

import { readdirSync } from "node:fs";
import { errorText } from "../../model/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { removeTree } from "../../runtime/removal-os.ts";

/** What a folder of a transfer is called; other things in the home's folder are not ours. */
const namePattern = /^[0-9a-f]{32}$/;

export function folderOfTransfer(dir: string, key: string): string {
  return `${dir}/${key}`;
}

/** A folder that cannot be removed is told, and tried again by the next start. */
export async function removeFolder(dir: string, key: string, log: Log): Promise<void> {
  try {
    await removeTree(folderOfTransfer(dir, key));
  } catch (error) {
    log.warn("a transfer's folder cannot be removed", { key, why: errorText(error) });
  }
}

/** Those of transfers that nobody knows any more. */
export function strangersIn(dir: string, known: ReadonlySet<string>): readonly string[] {
  try {
    return readdirSync(dir).filter((name) => namePattern.test(name) && !known.has(name));
  } catch {
    return []; // There is no such folder yet.
  }
}
