// The commands by name and by the group that `sky --help` shows them in.
//
// Only the named one is loaded: start-up time is felt on every call.

import type { CliCommand } from "./command.ts";

/** What the groups are called. */
export type Group = "Run" | "Copy" | "Look" | "Clusters and jobs" | "This machine";

export interface Entry {
  readonly group: Group;
  load(): Promise<CliCommand>;
  /** Its exit code is the outcome of a job, or of a transfer. */
  readonly follows?: "job" | "transfer";
}

export const commands = {
  launch: {
    group: "Run",
    follows: "job",
    load: async () => (await import("./launch.ts")).launch,
  },
  exec: { group: "Run", follows: "job", load: async () => (await import("./exec.ts")).exec },
  cpunode: { group: "Run", load: async () => (await import("./nodes.ts")).cpunode },
  gpunode: { group: "Run", load: async () => (await import("./nodes.ts")).gpunode },
  tpunode: { group: "Run", load: async () => (await import("./nodes.ts")).tpunode },
  cp: { group: "Copy", follows: "transfer", load: async () => (await import("./cp.ts")).cp },
  sync: {
    group: "Copy",
    follows: "transfer",
    load: async () => (await import("./sync.ts")).sync,
  },
  transfers: {
    group: "Copy",
    load: async () => (await import("./transfers.ts")).transfers,
  },
  profile: { group: "Copy", load: async () => (await import("./profile.ts")).profile },
  status: { group: "Look", load: async () => (await import("./status.ts")).status },
  queue: { group: "Look", load: async () => (await import("./queue.ts")).queue },
  logs: { group: "Look", follows: "job", load: async () => (await import("./logs.ts")).logs },
  why: { group: "Look", load: async () => (await import("./why.ts")).why },
  "cost-report": {
    group: "Look",
    load: async () => (await import("./cost-report.ts")).costReport,
  },
  cancel: {
    group: "Clusters and jobs",
    load: async () => (await import("./cancel.ts")).cancel,
  },
  autostop: {
    group: "Clusters and jobs",
    load: async () => (await import("./autostop.ts")).autostop,
  },
  stop: { group: "Clusters and jobs", load: async () => (await import("./stop.ts")).stop },
  start: { group: "Clusters and jobs", load: async () => (await import("./start.ts")).start },
  down: { group: "Clusters and jobs", load: async () => (await import("./down.ts")).down },
  check: { group: "This machine", load: async () => (await import("./check.ts")).check },
  doctor: { group: "This machine", load: async () => (await import("./doctor.ts")).doctor },
  debug: { group: "This machine", load: async () => (await import("./debug.ts")).debug },
  restore: { group: "This machine", load: async () => (await import("./restore.ts")).restore },
  completion: {
    group: "This machine",
    load: async () => (await import("./completion.ts")).completion,
  },
} as const satisfies Record<string, Entry>;

export type CommandName = keyof typeof commands;

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

export const commandNames = Object.keys(commands) as readonly CommandName[];

export function entryOf(name: CommandName): Entry {
  return commands[name];
}

/** Every command with its entry, in order; all of them are loaded. */
export async function allCommands(): Promise<readonly (readonly [Entry, CliCommand])[]> {
  const entries: readonly Entry[] = commandNames.map(entryOf);
  return Promise.all(entries.map(async (entry) => [entry, await entry.load()] as const));
}
