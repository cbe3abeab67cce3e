// The process port on Linux against the suite of all process ports, each agent in a process of its
// own so that `kill -9` is what it says.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProcessPort } from "../../runtime/process.ts";
import type { ProgramStep } from "../../runtime/process-memory.ts";
import { killed, remotePort } from "../support/process-agent.ts";
import { processContract } from "./process.contract.ts";

for (const cgroupKinds of [["v2"], ["freezer"], []] as const) {
  const name = `os, cgroups: ${cgroupKinds[0] ?? "none"}`;
  processContract(name, async () => {
    const root = mkdtempSync(join(tmpdir(), "skylet process "));
    const home = `${root}/home`;
    const ranksDir = `${root}/ranks`;
    mkdirSync(home);
    const children = new Map<ProcessPort, ChildProcess>();
    const options = { stateDir: `${root}/state`, ranksDir, home, name: "node", logGraceMs: 200 };
    return {
      ranksDir,
      home,
      open: async () => {
        const { port, child } = await remotePort({ ...options, cgroupKinds });
        children.set(port, child);
        return port;
      },
      crash: async (port) => {
        const child = children.get(port);
        if (child) await killed(child);
      },
      scriptOf: bashOf,
      letGo: async () => writeFileSync(`${home}/word`, ""),
      readLog: async (dir) => readFileSync(`${dir}/log`),
      close: async () => {
        for (const child of children.values()) await killed(child);
        rmSync(root, { recursive: true, force: true, maxRetries: 10 });
      },
    };
  });
}

/** A program's steps as a bash script. */
export function bashOf(steps: readonly ProgramStep[]): string {
  return steps.map(lineOf).join("\n");
}

function lineOf(step: ProgramStep): string {
  switch (step.do) {
    case "write":
      return writeLine(Buffer.from(step.base64, "base64"));
    case "wait":
      return `sleep ${step.ms / 1000}`;
    case "wait-for-word":
      return 'until [ -e "$HOME/word" ]; do sleep 0.02; done';
    case "wait-for-ever":
      return "sleep 1000";
    case "ignore-term":
      return "trap '' TERM";
    case "leave-survivor":
      return "setsid sleep 1000 >/dev/null 2>&1 &";
    case "exit":
      return `exit ${step.code}`;
    case "die":
      return `kill -${step.signal} $$`;
    case "lose-shim":
      return "kill -9 $PPID";
  }
}

/** Long runs of one byte stay short scripts. */
function writeLine(bytes: Buffer): string {
  const [first] = bytes;
  const uniform =
    first !== undefined && bytes.length > 4_096 && bytes.every((byte) => byte === first);
  if (uniform) {
    const character = String.fromCharCode(first);
    return `head -c ${bytes.length} /dev/zero | tr '\\0' '${character}'`;
  }
  const octal = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  return `printf '${octal}'`;
}
