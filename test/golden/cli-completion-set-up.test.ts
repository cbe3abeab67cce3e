// `sky --install-shell-completion` and its opposite: what is written to a user's files, and that
// all of it is gone again. HOME is a temporary folder.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { withBlock, withoutBlock } from "../../client/rc-block.ts";
import { assertGolden, transcriptStep } from "../support/golden.ts";
import { fc } from "../support/property.ts";

const checkout = resolve(import.meta.dirname, "../..");

interface Place {
  readonly home: string;
  sky(args: readonly string[], shell?: string): { readonly code: number; readonly said: string };
}

function place(t: TestContext): Place {
  const home = mkdtempSync(join(tmpdir(), "sky-rc-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const sky = (args: readonly string[], shell = "/bin/bash") => {
    const env = {
      PATH: process.env["PATH"],
      HOME: home,
      SKY_HOME: join(home, "s k'y"),
      SHELL: shell,
    };
    const argv = [join(checkout, "bin/sky.ts"), ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { env, cwd: home });
    return { code: status ?? -1, said: `${stdout}${stderr}`.replaceAll(home, "HOME") };
  };
  return { home, sky };
}

/** Every file below a folder but the compile cache, with its content. */
function filesOf(home: string): Readonly<Record<string, string>> {
  const names = readdirSync(home, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => {
    return !name.includes("/cache/") && statSync(join(home, name)).isFile();
  });
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(home, name), "latin1")]));
}

const flags = ["--install-shell-completion", "--uninstall-shell-completion"] as const;

test("what is said", (t) => {
  const { sky } = place(t);
  const commands = [
    [flags[0], "bash"],
    [`${flags[0]}=bash`],
    [flags[1], "bash"],
    [flags[1], "bash"],
    [flags[0], "fish"],
    [flags[0]],
    [flags[0], "csh"],
    [flags[0], "bash", "more"],
    ["completion", "csh"],
  ];
  const steps = commands.map((args) => {
    const { code, said } = sky(args);
    return transcriptStep(`sky ${args.join(" ")}`, `${said}exit ${code}\n`);
  });
  assertGolden("cli/completion-set-up.txt", steps.join("\n"));
});

for (const [shell, rc] of [
  ["bash", ".bashrc"],
  ["zsh", ".zshrc"],
] as const) {
  for (const before of [undefined, "", "alias a=b\n", "alias a=b", "caf\xe9\r\n\r\n"]) {
    test(`${rc} ${JSON.stringify(before)} is what it was when all is over`, (t) => {
      const { home, sky } = place(t);
      if (before !== undefined)
        writeFileSync(join(home, rc), before, { encoding: "latin1", mode: 0o640 });
      const untouched = filesOf(home);
      assert.equal(sky([flags[0], shell]).code, 0);
      const installed = filesOf(home);
      assert.equal(sky([flags[0], shell]).code, 0);
      assert.deepEqual(filesOf(home), installed, "a second time changes nothing");
      if (before !== undefined) assert.equal(statSync(join(home, rc)).mode & 0o777, 0o640);
      assert.equal(sky([flags[1], shell]).code, 0);
      assert.deepEqual(filesOf(home), untouched);
    });
  }
}

test("bash that reads the file completes; without the script it says nothing", (t) => {
  const { home, sky } = place(t);
  sky([flags[0], "auto"], "/usr/local/bin/bash");
  const read = () => {
    const script = "source .bashrc; complete -p sky";
    return spawnSync("bash", ["--norc", "-c", script], { cwd: home, encoding: "utf8" });
  };
  assert.equal(read().stdout, "complete -F _sky_complete sky\n");
  rmSync(join(home, "s k'y/.sky-complete.bash"));
  assert.match(read().stderr, /^bash: line 1: complete: sky: no completion specification\n$/);
});

test("a home may have any name", (t) => {
  const { home } = place(t);
  const [odd, skyHome] = [join(home, "日本 é"), join(home, "日本 é/sky")];
  mkdirSync(odd);
  const env = { PATH: process.env["PATH"], HOME: odd, SKY_HOME: skyHome };
  spawnSync(process.execPath, [join(checkout, "bin/sky.ts"), flags[0], "bash"], { env });
  const read = ["--norc", "-c", "source .bashrc; complete -p sky"];
  const { stdout } = spawnSync("bash", read, { cwd: odd, encoding: "utf8" });
  assert.equal(stdout, "complete -F _sky_complete sky\n");
});

test("a file that is a link stays one", (t) => {
  const { home, sky } = place(t);
  writeFileSync(join(home, "dotfile"), "x=1\n");
  symlinkSync("dotfile", join(home, ".bashrc"));
  sky([flags[0], "bash"]);
  assert.ok(lstatSync(join(home, ".bashrc")).isSymbolicLink());
  assert.match(readFileSync(join(home, "dotfile"), "utf8"), /^x=1\n# SkyPilot/);
  sky([flags[1], "bash"]);
  assert.equal(readFileSync(join(home, "dotfile"), "utf8"), "x=1\n");
});

test("fish's script is ours to write and to remove, another's is not", (t) => {
  const { home, sky } = place(t);
  const script = join(home, ".config/fish/completions/sky.fish");
  assert.equal(sky([flags[0], "fish"]).code, 0);
  writeFileSync(script, "# mine\n");
  const { code, said } = sky([flags[0], "fish"]);
  assert.equal(code, 1);
  assert.match(said, /sky\.fish is there already and is not sky's/);
  assert.equal(sky([flags[1], "fish"]).code, 0);
  assert.equal(readFileSync(script, "utf8"), "# mine\n");
  rmSync(script);
  sky([flags[0], "fish"]);
  sky([flags[1], "fish"]);
  assert.equal(existsSync(script), false);
});

test("any text survives a block put in and taken out", () => {
  const line = fc.constantFrom(
    "",
    "alias a=b",
    "# SkyPilot",
    "# SkyPilot shell completion: end",
    "\r",
  );
  const text = fc.tuple(fc.array(line, { maxLength: 6 }), fc.boolean()).map(([lines, ends]) => {
    return lines.join("\n") + (ends ? "\n" : "");
  });
  fc.assert(
    fc.property(fc.option(text, { nil: undefined }), text, (before, after) => {
      const there = withBlock(before, "/a'b");
      assert.equal(withoutBlock(there), before);
      assert.equal(withBlock(there, "/a'b"), there);
      assert.equal(withoutBlock(withBlock(there, "/other")), before);
      // What the user writes behind the block stays, on lines of its own.
      const more = withoutBlock(`${there}${after}`) ?? "";
      assert.ok(more.startsWith(before ?? "") && more.endsWith(after));
    }),
  );
});
