// Who is who among the processes of a run, read from /proc: which program of ours, which process
// of which rank. A fault chooses its victim here, and writes down whom it hit, because the audit
// must know which ranks may truthfully have ended otherwise than planned.
//
// A rank's processes are found by places, not by asking: its keeper stands in its directory
// (`ranks/<key>`, before that `slots/<token>`), its shell and its logger are the keeper's children.

import { readdirSync } from "node:fs";
import { link, text } from "./proc.ts";

export type Role =
  | "head"
  | "skylet"
  | "bus"
  | "launcher"
  /** A node's join, a short process of its own. */
  | "join"
  /** The shim of a rank, or of a slot that waits for one. */
  | "keeper"
  /** Who writes its log: a shell that waits for its first byte, and the `cat` that follows. */
  | "logger"
  /** Ends the ranks of a node whose leases have run out. */
  | "watchdog"
  /** The rank itself. */
  | "shell"
  /** Whatever a rank has started. */
  | "child";

export interface Member {
  readonly pid: number;
  /** Tells a process from a later one of the same number. */
  readonly startTicks: string;
  readonly role: Role;
  /** `<cluster>/<node>`, where it belongs to one. */
  readonly node?: string;
  /** `<cluster>-<job>-<attempt>-<phase>-<index>`, once its slot is a rank's. */
  readonly rank?: string;
  /** Of its slot: also before a rank has it. */
  readonly token?: string;
}

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly startTicks: string;
  readonly command: string;
  readonly environ: string;
  readonly cwd: string;
}

/** Every living process of the home that has a role. Commands of users have none. */
export function membersOf(home: string): readonly Member[] {
  const all = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name): readonly [number, Seen][] => {
        const one = seen(Number(name));
        return one !== undefined && isOfHome(one, home) ? [[one.pid, one]] : [];
      }),
  );
  return [...all.values()].flatMap((one) => {
    const role = roleOf(one, all);
    if (role === undefined) return [];
    const { pid, startTicks } = one;
    return [{ pid, startTicks, role, ...placeOf(one, all, home) }];
  });
}

export function isSame({ pid, startTicks }: Pick<Member, "pid" | "startTicks">): boolean {
  return seen(pid)?.startTicks === startTicks;
}

function isOfHome({ command, environ, cwd }: Seen, home: string): boolean {
  return command.includes(home) || environ.includes(home) || cwd.startsWith(home);
}

function roleOf(one: Seen, all: ReadonlyMap<number, Seen>): Role | undefined {
  const { command, parent, environ } = one;
  if (/\/skyhead\.(js|ts)( |$)/.test(command)) return "head";
  if (isSkylet(one)) return "skylet";
  if (/\/skylet\.(js|ts) join$/.test(command)) return "join";
  if (/\/nats-server -c /.test(command)) return "bus";
  if (/\bwatchdog\.sh$/.test(command)) return "watchdog";
  const above = all.get(parent);
  if (isShell(one) && above !== undefined && isSkylet(above)) return "launcher";
  if (slotOf(one) !== undefined && tokenIn(environ) === undefined) {
    return isShell(one) && !isInSlot(above) ? "keeper" : "logger";
  }
  if (tokenIn(environ) === undefined) return undefined;
  return isInSlot(above) ? "shell" : "child";
}

/** The launcher, or a fork of it. */
function isShell({ command }: Seen): boolean {
  return /\blauncher\.sh /.test(command);
}

function isInSlot(one: Seen | undefined): boolean {
  return one !== undefined && isShell(one) && slotOf(one) !== undefined;
}

function isSkylet({ command }: Seen): boolean {
  return /\/skylet\.(js|ts)$/.test(command);
}

function placeOf(one: Seen, all: ReadonlyMap<number, Seen>, home: string) {
  const found = chain(one, all).flatMap((above) => slotOf(above) ?? [])[0];
  const [, cluster, node] = /\/clusters\/([^/]+)\/nodes\/([^/]+)/.exec(`${one.cwd}`) ?? [];
  const token = tokenIn(one.environ) ?? found?.token;
  const isHere = one.cwd.startsWith(home) && cluster !== undefined;
  const at = found?.node ?? (isHere ? `${cluster}/${node}` : undefined);
  return {
    ...(at === undefined ? {} : { node: at }),
    ...(found?.rank === undefined ? {} : { rank: found.rank }),
    ...(token === undefined ? {} : { token }),
  };
}

/** A process and those above it. */
function chain(one: Seen, all: ReadonlyMap<number, Seen>): readonly Seen[] {
  const found: Seen[] = [];
  for (let at: Seen | undefined = one; at !== undefined && found.length < 8; ) {
    found.push(at);
    at = all.get(at.parent);
  }
  return found;
}

interface Place {
  readonly node: string;
  readonly rank?: string;
  readonly token?: string;
}

function slotOf({ cwd }: Seen): Place | undefined {
  const path = /\/clusters\/([^/]+)\/nodes\/([^/]+)\/(?:state\/slots|ranks)\/([^/]+)$/.exec(cwd);
  if (path === null) return undefined;
  const [, cluster, node, name = ""] = path;
  const place = { node: `${cluster}/${node}` };
  if (/^\d+-\d+-(run|setup)-\d+$/.test(name)) return { ...place, rank: `${cluster}-${name}` };
  return { ...place, token: name };
}

function tokenIn(environ: string): string | undefined {
  return /(?:^|\0)SKYLET_RANK=([^\0]+)/.exec(environ)?.[1];
}

function seen(pid: number): Seen | undefined {
  const stat = text(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "Z", parent = "0"] = fields;
  if (stat === "" || /[ZX]/.test(state)) return undefined;
  return {
    ...{ pid, parent: Number(parent), startTicks: fields[19] ?? "" },
    command: text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim(),
    environ: text(`/proc/${pid}/environ`),
    // It may have been removed already; the name says as much as before.
    cwd: link(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, ""),
  };
}
