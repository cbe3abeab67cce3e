// `node test/skew/rebuild.ts`: builds the kept bundle again from the history and compares.
//
//     node test/skew/rebuild.ts            fails if the kept files are not those of the commit
//     node test/skew/rebuild.ts --write    keeps what was built
//
// The commit is checked out into a folder of its own and built by its own script, with a copy of
// this checkout's libraries: they are the right ones as long as the lock file of both is the same,
// and that is checked.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { argv, execPath, exit } from "node:process";
import { digestsOf, type Files, isProgramFile, readManifest, writeKept } from "./bundle.ts";

const checkout = resolve(import.meta.dirname, "../..");
/** The first commit at which a gang job ran whole: submitted, placed, run, followed, cancelled. */
const commit = "aafba63100a7bd9e8442f3ea708eabedfa78a4e2";

const files = built();
const { version } = JSON.parse(git("show", `${commit}:package.json`)) as { version: string };
const digests = digestsOf(files);
if (argv.includes("--write")) {
  const date = git("log", "-1", "--format=%cI", commit).trim();
  writeKept({ version, commit, date, files: digests }, files);
  console.log(`kept ${files.size} files of ${version} (${commit.slice(0, 7)})`);
} else {
  const kept = readManifest().files;
  const names = [...new Set([...Object.keys(kept), ...Object.keys(digests)])].sort();
  const wrong = names.filter((name) => kept[name] !== digests[name]);
  for (const name of wrong) console.error(`${name} is not what the commit builds`);
  if (wrong.length > 0) exit(1);
  console.log(`${names.length} files are those of ${commit.slice(0, 7)}`);
}

function built(): Files {
  const folder = mkdtempSync(join(tmpdir(), "sky-rebuild-"));
  try {
    execFileSync("git", ["clone", "--quiet", "--shared", "--no-checkout", checkout, folder]);
    execFileSync("git", ["checkout", "--quiet", commit], { cwd: folder });
    const lock = "package-lock.json";
    if (readFileSync(join(folder, lock), "utf8") !== readFileSync(join(checkout, lock), "utf8")) {
      throw new Error(`${lock} has changed since: check ${commit} out, npm ci, then run this`);
    }
    const libraries = realpathSync(join(checkout, "node_modules"));
    // A link would not do: the build names the files of libraries by where they lie.
    cpSync(libraries, join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
    execFileSync(execPath, ["scripts/build.ts"], { cwd: folder, stdio: "inherit" });
    const dist = join(folder, "dist");
    const names = readdirSync(dist).filter(isProgramFile).sort();
    return new Map(names.map((name) => [name, readFileSync(join(dist, name), "utf8")]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function git(...args: readonly string[]): string {
  return execFileSync("git", [...args], { cwd: checkout, encoding: "utf8" });
}
