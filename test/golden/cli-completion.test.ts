// Tab in real shells: the scripts are loaded, their functions are driven, and what they offer is
// compared. zsh and fish only where they are installed.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { shells } from "../../client/cli/completion.ts";
import type { ClusterView } from "../../model/cluster.ts";
import type { Job } from "../../model/job.ts";
import { clusterToProto } from "../../proto/converters-cluster.ts";
import { jobToProto } from "../../proto/converters-job.ts";
import { transferToProto } from "../../proto/converters-transfer-view.ts";
import { viewOf } from "../support/scripted-transfers.ts";
import { stage } from "../unit/client-stage.ts";

const checkout = resolve(import.meta.dirname, "../..");

const demo: ClusterView = {
  ...{ name: "demo", status: "UP", cloud: "local", isolation: "embedded", launchedAt: 1 },
  ...{ resources: "1x Local(cpus=2)", command: "", user: "ann", lastUsedAt: 1, nodes: [] },
};
const job: Job = {
  ...{ id: 7, name: "train", user: "ann", status: "RUNNING", phase: "running", submittedAt: 1 },
  ...{ resources: "1x [CPU:0.5]", numNodes: 1, attempt: 1, ranks: [], setups: [], sweeps: [] },
};

const methods = {
  clusters: {
    status: async () => ({ clusters: [demo, { ...demo, name: "dev" }].map(clusterToProto) }),
  },
  transfers: { list: async () => ({ transfers: [transferToProto(viewOf())] }) },
  jobs: { listJobs: async () => ({ jobs: [job, { ...job, id: 71 }].map(jobToProto) }) },
};

/** The words behind `sky`, the last one being typed, and what is offered. */
const cases: readonly (readonly [words: readonly string[], offered: readonly string[]])[] = [
  [["laun"], ["launch"]],
  [["cost"], ["cost-report"]],
  [["--inst"], ["--install-shell-completion"]],
  [["--install-shell-completion", "b"], ["bash"]],
  [["help", "que"], ["queue"]],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [
    ["status", "de"],
    ["demo", "dev"],
  ],
  [["status", "demo", "dev"], ["dev"]],
  [["launch", "-c", "dem"], ["demo"]],
  [
    ["launch", "--isolation", ""],
    ["embedded", "process"],
  ],
  [["launch", "--idle-m"], ["--idle-minutes-to-autostop"]],
  [["launch", "--dock"], []],
  [
    ["cp", "--solver", "s"],
    ["src_one_sided", "spider", "steiner"],
  ],
  [["cp", "--resume", ""], ["7"]],
  [["transfers", "c"], ["cancel"]],
  [["transfers", "cancel", "7"], ["7"]],
  [
    ["logs", "demo", "7"],
    ["7", "71"],
  ],
  [
    ["cancel", "-y", "demo", "7"],
    ["7", "71"],
  ],
  [
    ["launch", "-c", "demo", "tas"],
    ["task.yaml", "tasks"],
  ],
  [
    ["exec", "demo", "t"],
    ["task.yaml", "tasks", "two words.yml"],
  ],
  [["launch", "--workdir", "ta"], ["tasks"]],
  [["launch", "-n", ""], []],
  [["spot", ""], []],
  [["check", "--output", "j"], ["json"]],
  [["check", "aws", "gc"], ["gcp"]],
];

test("bash offers what may come next", async (t) => {
  const here = await place(t);
  const asked = cases.map(([words]) => {
    const typed = ["sky", ...words].map(quoted).join(" ");
    return `COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _sky_complete; show`;
  });
  const show = `show() { printf '%s\\n' "\${COMPREPLY[@]}" .; }`;
  const out = await here.run("bash", ["--norc", "-c"], [loading("bash"), show, ...asked]);
  assertOffers(out);
});

test("bash takes = for a word of its own", async (t) => {
  const here = await place(t);
  const ask = (typed: string, at: number): string => {
    return `COMP_WORDS=(${typed}); COMP_CWORD=${at}; _sky_complete; echo "\${COMPREPLY[*]}"`;
  };
  const lines = [ask("sky check --output =", 3), ask("sky check --output = j", 4)];
  const out = await here.run("bash", ["--norc", "-c"], [loading("bash"), ...lines]);
  assert.equal(out, "json table\njson\n");
});

test("zsh offers what may come next", async (t) => {
  if (!isThere("zsh")) return t.skip("zsh is not installed");
  const here = await place(t);
  // The line editor's own functions, as far as the script needs them.
  const editor = [
    "compdef() { :; }; compinit() { :; }",
    `_describe() { for one in "\${(@)found}"; do print -r -- "\${one%%:*}"; done; }`,
    `_files() { local one; for one in \${words[CURRENT]}*(N); do case "$*" in`,
    `  *yaml*) [[ -d $one || $one == *.(yaml|yml) ]] && print -r -- $one ;;`,
    `  -/) [[ -d $one ]] && print -r -- $one ;; *) print -r -- $one ;; esac; done; }`,
  ];
  const asked = cases.map(([words]) => {
    const typed = ["sky", ...words].map(quoted).join(" ");
    return `words=(${typed}); CURRENT=${words.length + 1}; _sky; print -- .`;
  });
  const out = await here.run("zsh", ["-f", "-c"], [...editor, loading("zsh"), ...asked]);
  assertOffers(out);
});

test("fish offers what may come next", async (t) => {
  if (!isThere("fish")) return t.skip("fish is not installed");
  const here = await place(t);
  // What of an option begins with a dash fish asks about differently; files have slashes there.
  const asked = cases.map(([words]) => {
    const typed = ["sky", ...words].map((word) => word.replaceAll(" ", "\\ ")).join(" ");
    return `complete -C ${quoted(typed)}; echo .`;
  });
  const out = await here.run(
    "fish",
    ["--no-config", "-c"],
    ["sky completion fish | source", ...asked],
  );
  assertOffers(out.replaceAll(/\t.*$/gm, "").replaceAll(/\/$/gm, ""));
});

test("without a head there are no names, and none is started", async (t) => {
  const here = await place(t);
  here.cut();
  const ask = "COMP_WORDS=(sky status de); COMP_CWORD=2; _sky_complete; echo ${#COMPREPLY[@]}";
  assert.equal(await here.run("bash", ["--norc", "-c"], [loading("bash"), ask]), "0\n");
});

for (const shell of shells) {
  test(`the script for ${shell} has no syntax error`, async (t) => {
    if (!isThere(shell)) return t.skip(`${shell} is not installed`);
    const here = await place(t);
    await here.run(
      "bash",
      ["--norc", "-c"],
      [`set -o pipefail; sky completion ${shell} | ${shell} -n`],
    );
  });
}

/** Groups end with a line of one dot; the order is the shell's affair. */
function assertOffers(out: string): void {
  const groups = out.split(/^[.]\n/m).map((text) => text.split("\n").filter((line) => line !== ""));
  for (const [index, [words, offered]] of cases.entries()) {
    const got = [...new Set(groups[index])].sort();
    assert.deepEqual(got, [...offered].sort(), `sky ${words.join(" ")}`);
  }
}

function loading(shell: string): string {
  return `source <(sky completion ${shell})`;
}

function quoted(word: string): string {
  return `'${word}'`;
}

function isThere(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

/** A folder with some files, a HOME of its own, a `sky` on the PATH and a head that answers. */
async function place(t: TestContext) {
  const { home, cut } = await stage(t, methods);
  const [bin, cwd] = [join(home, "bin"), join(home, "files")];
  for (const folder of [bin, cwd, join(cwd, "tasks")]) mkdirSync(folder);
  for (const name of ["task.yaml", "two words.yml", "notes.txt"])
    writeFileSync(join(cwd, name), "");
  const program = join(checkout, "bin/sky.ts");
  writeFileSync(join(bin, "sky"), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
  chmodSync(join(bin, "sky"), 0o755);
  const { LD_LIBRARY_PATH = "", PATH = "" } = process.env;
  const env = { PATH: `${bin}:${PATH}`, HOME: home, SKY_HOME: home, LD_LIBRARY_PATH };
  const run = (shell: string, flags: readonly string[], lines: readonly string[]) => {
    return new Promise<string>((done, fail) => {
      const args = [...flags, lines.join("\n")];
      execFile(shell, args, { cwd, env }, (error, stdout, stderr) => {
        if (error !== null) fail(error);
        else if (stderr !== "") fail(new Error(stderr));
        else done(stdout);
      });
    });
  };
  return { run, cut };
}
