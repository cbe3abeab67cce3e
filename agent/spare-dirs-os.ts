// Directories of ranks that were forgotten, kept to serve again.
//
// A new file is what costs most in the life of a short rank (docs/decisions/warm-shims.md): ext4
// searches over every inode that was deleted in the last minute. So the directory of a rank that
// ended in good order becomes the next slot's, with the files in it, whose texts go.
//
// What must always hold: only a directory that holds the four files of a clean end and nothing else
// is kept. It leaves its rank's place by one rename, before anything in it is touched, so that the
// rank is forgotten wholly or not at all.

import {
  closeSync,
  ftruncateSync,
  openSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { namesIn } from "./proc-os.ts";
import { logBytes } from "./rank-dir-os.ts";
import { blankText, rankFiles } from "./rank-files.ts";

const keptNames = [rankFiles.claim, rankFiles.exit, rankFiles.log, rankFiles.script].join();
/** What is larger is removed off the event loop. */
const logBytesMax = 1024 * 1024;

/**
 * Makes a forgotten rank's directory a slot's. False if it must be removed instead.
 * @throws what the disk throws while the texts go: then what is at `slotDir` must be removed.
 */
export function didKeepDir(rankDir: string, slotDir: string): boolean {
  if ([...namesIn(rankDir)].sort().join() !== keptNames) return false;
  const written = logBytes(rankDir);
  if (written > logBytesMax) return false;
  renameSync(rankDir, slotDir);
  for (const name of [rankFiles.claim, rankFiles.exit]) blank(`${slotDir}/${name}`);
  // The next script is at least as long as what stays of this one.
  truncateSync(`${slotDir}/${rankFiles.script}`, blankText.length);
  // A log that was written is not written over: its blocks would be flushed one by one.
  if (written > 0) unlinkSync(`${slotDir}/${rankFiles.log}`);
  return true;
}

function blank(path: string): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, blankText, 0);
    ftruncateSync(fd, blankText.length);
  } finally {
    closeSync(fd);
  }
}
