// Programs of two versions in one folder: which is which is the test's choice.
//
// An installation is a folder `dist/` whose programs start each other from beside themselves: `sky`
// starts `skyhead`, that starts `skylet`. So an installation of mixed versions is a mixed folder,
// and an upgrade is files that are replaced under running programs, as a package manager does it.

import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { checkout } from "../support/programs.ts";
import { isProgramFile, readBundle, readManifest } from "./bundle.ts";

/** `kept`: the bundle of the earlier version that is kept here. */
export type Edition = "kept" | "today";
export type Program = "sky" | "skyhead" | "skylet";
export type Mix = Readonly<Record<Program, Edition>>;

export const todayFolder = join(checkout, "dist");

export interface Installation {
  /** Where the programs are. */
  readonly dist: string;
  /** Puts another version of a program in place; what runs of it runs on. */
  replace(program: Program, edition: Edition): void;
  /** Puts today's head in place, as it will be when it has other versions of the wire. */
  replaceHeadByFuture(wire: { readonly oldest: number; readonly newest: number }): void;
}

/** Makes an installation below `folder`. `version` is what its programs say that they are. */
export function install(
  folder: string,
  mix: Mix,
  version: string = readManifest().version,
): Installation {
  const dist = join(folder, "installed/dist");
  mkdirSync(dist, { recursive: true });
  const about = { type: "module", version };
  writeFileSync(join(folder, "installed/package.json"), JSON.stringify(about));
  const replace = (program: Program, edition: Edition): void => {
    for (const [name, put] of filesOf(edition)) {
      if (!belongsTo(program, name)) continue;
      // Whole files only: somebody may be starting it.
      put(join(dist, `${name}.new`));
      renameSync(join(dist, `${name}.new`), join(dist, name));
    }
  };
  for (const [program, edition] of Object.entries(mix)) replace(program as Program, edition);
  return {
    dist,
    replace,
    replaceHeadByFuture: ({ oldest, newest }) => {
      replace("skyhead", "today");
      const future = (text: string): string =>
        text
          .replace(/\bvar wireVersion = \d+/, `var wireVersion = ${newest}`)
          .replace(/\bvar wireVersionOldest = \d+/, `var wireVersionOldest = ${oldest}`);
      const paths = readdirSync(dist)
        .filter((name) => name.endsWith(".js") && belongsTo("skyhead", name))
        .map((name) => join(dist, name));
      // Among the head's own or in a chunk that others of its files import too.
      const changed = paths.filter((path) => {
        const text = readFileSync(path, "utf8");
        return future(text) !== text;
      });
      assert.equal(changed.length, 1, "the bundle has its wire versions as constants, once");
      for (const path of changed) writeFileSync(path, future(readFileSync(path, "utf8")));
    },
  };
}

/** The head is the only program of many files; a chunk's name holds the digest of its content. */
function belongsTo(program: Program, name: string): boolean {
  const [, owner = "skyhead"] = /^(sky|skylet)(?:-main)?\.c?js$/.exec(name) ?? [];
  return owner === program;
}

function filesOf(edition: Edition): readonly (readonly [string, (path: string) => void])[] {
  if (edition === "kept") {
    return [...readBundle()].map(([name, text]) => [name, (path) => writeFileSync(path, text)]);
  }
  const names = readdirSync(todayFolder).filter(isProgramFile);
  return names.map((name) => [name, (path) => copyFileSync(join(todayFolder, name), path)]);
}
