// Finds the ignore files of a folder that is listed, and reads them (`ignore-rules.ts`).
//
// As with git, a `.gitignore` that is a link counts as none. What cannot be read is refused: to go
// on without the rules would send what the user meant to keep.

import type { Dirent } from "node:fs";
import { SkyError } from "../../model/errors.ts";
import { toldOf } from "./folder-os.ts";
import {
  gitExclude,
  gitFolder,
  gitignore,
  type IgnoreRules,
  rulesWith,
  skyignore,
} from "./ignore-rules.ts";
import type { SourceFolder } from "./source-os.ts";
import {
  closeFile,
  openAny,
  openFile,
  openInner,
  readInto,
  shownWithin,
  statOf,
} from "./source-os.ts";

/** What is longer was not written by hand. */
export const ignoreBytesMax = 1024 * 1024;

export interface FolderWithin {
  /** Its path below the root, in latin1; empty for the root itself. */
  readonly path: string;
  /** Those of the folders above. */
  readonly rules: IgnoreRules;
}

/** @throws what the file system throws; SkyError `request/invalid` for a file that is too long. */
export function rulesIn(
  folder: SourceFolder,
  all: readonly Dirent<Buffer>[],
  { path, rules }: FolderWithin,
): IgnoreRules {
  if (rules.isAlone) return rules;
  const sky = path === "" ? named(all, skyignore) : undefined;
  if (sky !== undefined && !sky.isDirectory()) {
    const content = contentAt(folder, skyignore, openAny);
    return rulesWith({ ...rules, isAlone: true }, "", content);
  }
  const isRepository = named(all, gitFolder)?.isDirectory() ?? false;
  const excluding = isRepository ? rulesWith(rules, path, excludeOf(folder)) : rules;
  if (!named(all, gitignore)?.isFile()) return excluding;
  return rulesWith(excluding, path, contentAt(folder, gitignore, openFile));
}

function named(all: readonly Dirent<Buffer>[], text: string): Dirent<Buffer> | undefined {
  return all.find(({ name }) => {
    return name.length === text.length && name.toString("latin1") === text;
  });
}

function excludeOf(folder: SourceFolder): string {
  const [info, exclude] = gitExclude;
  const git = openInner(folder, Buffer.from(gitFolder));
  if (git === undefined) return "";
  try {
    const inner = openInner(git, Buffer.from(info));
    if (inner === undefined) return "";
    try {
      return contentAt(inner, exclude, openFile);
    } finally {
      closeFile(inner.fd);
    }
  } finally {
    closeFile(git.fd);
  }
}

/** Byte by byte; empty if it is gone. */
function contentAt(
  folder: SourceFolder,
  name: string,
  open: (folder: SourceFolder, name: Buffer) => number | undefined,
): string {
  const fd = open(folder, Buffer.from(name));
  if (fd === undefined) return "";
  const shown = shownWithin(folder, Buffer.from(name));
  try {
    const size = Number(statOf(fd).size);
    if (size > ignoreBytesMax) {
      const why = `it has ${size} bytes, at most ${ignoreBytesMax} are read`;
      throw new SkyError("source/unreadable", { field: name, path: shown, why });
    }
    const content = Buffer.alloc(size);
    return content.subarray(0, readInto(fd, content, 0)).toString("latin1");
  } catch (error) {
    throw toldOf(shown, error);
  } finally {
    closeFile(fd);
  }
}
