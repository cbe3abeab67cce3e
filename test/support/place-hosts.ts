// The hosts of a home under test when SKY_TEST_CLOUD=ssh: the same test files then run on clusters
// of real hosts. Every home has a lab of its own, so that what one test leaves is no other's
// surprise.
//
// The lab is another process, which ends with its input: also when this one is killed.

import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { processesIn } from "../e2e/lab-sweep.ts";
import { type ProcessSeen, processAt } from "./processes.ts";

/** Whether clusters of this run are hosts of a lab, unless a test names another cloud. */
export const onHosts = process.env["SKY_TEST_CLOUD"] === "ssh";

export interface PlaceHosts {
  /** What a client's programs need to reach them. */
  readonly env: Readonly<Record<string, string>>;
  /** The text of a pools file whose only pool is `lab`. */
  readonly pools: string;
  /** Each by its name, its address, and its init's pid as this machine sees it. */
  readonly hosts: readonly {
    readonly name: string;
    readonly address: string;
    readonly pid: number;
  }[];
  close(): Promise<void>;
}

const program = resolve(import.meta.dirname, "../e2e/lab-serve.ts");
const startMs = 30_000;

/** What runs on the hosts that was not there when they booted. */
export function processesOn(hosts: PlaceHosts | undefined): readonly ProcessSeen[] {
  const all = (hosts?.hosts ?? []).flatMap(({ pid }) => processesIn(pid));
  return all
    .filter(({ command }) => !/^sshd: |sshd -D/.test(command))
    .map(({ pid }) => processAt(pid));
}

/** Starts a lab and waits for it here and now: tests make their homes before anything else. */
export function placeHosts(shared: string, unshared: string): PlaceHosts {
  // Whoever logs in to a host is not who runs the tests.
  chmodSync(shared, 0o777);
  const folder = mkdtempSync(join(tmpdir(), "sky-hosts-"));
  const file = join(folder, "lab.json");
  const said = openSync(join(folder, "said"), "w+");
  const child = spawn(process.execPath, [program], {
    stdio: ["pipe", said, said],
  });
  closeSync(said);
  child.stdin?.write(`${JSON.stringify({ file, shared, unshared })}\n`);
  try {
    waitFor(file, () => readFileSync(join(folder, "said"), "utf8"));
    const told = JSON.parse(readFileSync(file, "utf8")) as Omit<PlaceHosts, "close">;
    return { ...told, close: () => ended(child) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A launch that names no cloud goes to the hosts. */
export function onPool(args: readonly string[]): readonly string[] {
  const [verb, ...rest] = args;
  const names = (word: string): boolean => /^--(cloud|infra)(=|$)/.test(word);
  if (verb !== "launch" || rest.some(names)) return args;
  return [verb, "--infra", "ssh/lab", ...rest];
}

function waitFor(file: string, said: () => string): void {
  const endsAt = performance.now() + startMs;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(file)) {
    if (performance.now() > endsAt) throw new Error(`no lab after ${startMs} ms:\n${said()}`);
    Atomics.wait(cell, 0, 0, 15);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolveEnd) => child.once("exit", resolveEnd));
  child.stdin?.end();
  await exit;
}
