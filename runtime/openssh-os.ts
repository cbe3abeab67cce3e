// The SSH port by the system's own `ssh`: one master connection a host, and every call through it.
//
// All lives in one folder, which is the working folder of every `ssh`: sockets and files are named
// relative to it, so that its path may be as long as it likes. Nothing of ours stays there when a
// connection ends but the configuration and the record of keys.
// What must always hold: of what a call throws, only `ssh/unreachable` may pass by itself; a call
// that began is never repeated here, one that the host had no room for is.

import { homedir } from "node:os";
import { join } from "node:path";
import { errorText, SkyError } from "../model/errors.ts";
import { addHostKey } from "./known-hosts-os.ts";
import type { Log } from "./log.ts";
import { lockedKeys } from "./openssh-denied-os.ts";
import { deniedWith, isSessionRefused, noShell, unreachableSince } from "./openssh-errors.ts";
import {
  freshName,
  keyFilesOf,
  prepareFolder,
  resolveHost,
  type SshFolder,
  sweepFolder,
} from "./openssh-folder-os.ts";
import { attemptOf, lookAtKey } from "./openssh-key-os.ts";
import { cancelled, limitOf, orAborted } from "./openssh-limit-os.ts";
import { idleMsMax, Master, type MasterPlan } from "./openssh-master-os.ts";
import {
  connectMsMax,
  knownHostsName,
  masterArgs,
  parseHostName,
  scriptLine,
  sessionArgs,
} from "./openssh-options.ts";
import {
  type Keep,
  openSession,
  readAll,
  type Session,
  type SessionEnd,
} from "./openssh-session-os.ts";
import { openTunnel } from "./openssh-tunnel-os.ts";
import { Slots } from "./slots.ts";
import type {
  HostKey,
  OpenTunnel,
  Ssh,
  SshCall,
  SshResult,
  SshStream,
  SshTarget,
  SshTunnel,
} from "./ssh.ts";
import { sshOutputBytesMax } from "./ssh.ts";

export interface OpenSshOptions {
  /** Ours alone, 0700: `SKY_HOME/ssh`. Made if it is missing. */
  readonly dir: string;
  readonly log: Log;
  /** In place of `~/.ssh/config` and the system's; else SKY_SSH_CONFIG. */
  readonly sshConfig?: string;
  readonly program?: string;
  readonly connectMs?: number;
  readonly idleMs?: number;
}

/** Of what a stream says on its standard error. */
const stderrBytesMax = 65_536;
/** Hosts behind one jump host that log in at a time: it would turn more of them away. */
const behindJumpMax = 8;
/** What the deadlines of OpenSSH may be late by. */
const graceMs = 5_000;
/** How long a connection that takes no calls any more may take to say why. */
const lastWordsMs = 1_000;

export function createOpenSsh(options: OpenSshOptions): Ssh {
  return new OpenSsh(options);
}

interface Begun {
  readonly session: Session;
  /** What has to be done when it has ended. */
  readonly leave: () => void;
}

class OpenSsh implements Ssh {
  readonly #log: Log;
  readonly #folder: SshFolder;
  readonly #idleMs: number;
  readonly #masters = new Map<string, Master>();
  /** Those that are about to end too. */
  readonly #living = new Set<Master>();
  readonly #sessions = new Set<Session>();
  /** Of each first jump host. */
  readonly #gates = new Map<string, Slots>();
  #agent: string | undefined;
  #swept = false;
  #closed = false;

  constructor(options: OpenSshOptions) {
    this.#log = options.log;
    this.#idleMs = options.idleMs ?? idleMsMax;
    this.#folder = {
      dir: options.dir,
      program: options.program ?? "ssh",
      sshConfig: options.sshConfig ?? process.env["SKY_SSH_CONFIG"],
      home: homedir(),
      connectMs: options.connectMs ?? connectMsMax,
      env: () => this.#env(),
      keyFiles: new Map(),
    };
  }

  async run(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshResult> {
    const line = scriptLine(call.script, call.args);
    const { master, release } = this.#hold(target);
    const why = (): string => (master.up ? "its command did not end" : "it did not let us in");
    const limit = limitOf(signal, { target, ms: call.timeoutMs, why });
    try {
      await orAborted(master.ready, limit.signal);
      const keep: Keep = { bytes: sshOutputBytesMax, end: "first" };
      const { session, leave } = await this.#begin({ target, master, line, keep }, limit.signal);
      session.stdin.end(call.input);
      const stdout = readAll(session.stdout, sshOutputBytesMax);
      const end = await session.ended.finally(leave);
      limit.signal.throwIfAborted();
      if (end.code === 255 && !(await master.answers())) throw await this.#lost(target, master);
      return { code: end.code, stdout: await stdout, stderr: end.stderr };
    } finally {
      limit.clear();
      release();
    }
  }

  async open(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshStream> {
    const line = scriptLine(call.script, call.args);
    const { master, release } = this.#hold(target);
    const why = (): string => (master.up ? "its command did not begin" : "it did not let us in");
    const limit = limitOf(signal, { target, ms: call.timeoutMs, why });
    const over = (): void => {
      limit.clear();
      release();
    };
    try {
      await orAborted(master.ready, limit.signal);
      const keep: Keep = { bytes: stderrBytesMax, end: "last" };
      const begun = await this.#begin({ target, master, line, keep }, limit.signal);
      limit.untimed();
      const { stdin, stdout } = begun.session;
      const ended = this.#streamEnd({ target, master, begun }, limit.signal).finally(over);
      // Who only reads the output need not ask for it.
      ended.catch(() => {});
      return { stdin, stdout, ended };
    } catch (error) {
      over();
      throw error;
    }
  }

  async tunnel(target: SshTarget, tunnel: SshTunnel, signal: AbortSignal): Promise<OpenTunnel> {
    const ms = this.#folder.connectMs + graceMs;
    const { master, release } = this.#hold(target);
    const limit = limitOf(signal, { target, ms, why: () => "it did not let us in" });
    try {
      await orAborted(master.ready, limit.signal);
      const how = { target, socket: master.socket, tunnel, signal: limit.signal };
      const close = await openTunnel(this.#folder, how);
      const closed = (): Promise<void> => close(!master.over).finally(release);
      // What went with the connection is cleared away before anybody may open it anew.
      const ended = master.ended.then(async (end) => {
        await close(false).catch((error: unknown) =>
          this.#log.warn("a tunnel's socket stays", { local: tunnel.local, why: errorText(error) }),
        );
        release();
        return end;
      });
      return { ended, close: closed };
    } catch (error) {
      release();
      throw error;
    } finally {
      limit.clear();
    }
  }

  async hostKey(target: SshTarget, signal: AbortSignal): Promise<HostKey> {
    this.#open();
    const ms = this.#folder.connectMs + graceMs;
    const limit = limitOf(signal, { target, ms, why: () => "it showed no key" });
    try {
      return await lookAtKey(this.#folder, { target, via: [] }, limit.signal);
    } finally {
      limit.clear();
    }
  }

  async trust(key: HostKey): Promise<void> {
    this.#open();
    const { dir } = this.#folder;
    const target = { host: parseHostName(key.name) };
    const { signal } = new AbortController();
    const plain = keyFilesOf(await resolveHost(this.#folder, target, { signal }));
    const met = this.#folder.keyFiles?.get(key.name) ?? [];
    const path = join(dir, knownHostsName);
    const others = [...new Set([...plain, ...met])];
    await addHostKey(key, { path, lock: `${path}.lock`, others });
  }

  useAgent(socket: string): void {
    this.#agent = socket === "" ? undefined : socket;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const masters = [...this.#living];
    for (const session of this.#sessions) session.kill();
    for (const master of masters) master.end();
    await Promise.all(masters.map((master) => master.ended));
  }

  /** What an `ssh` of ours inherits: no way to ask anybody. */
  #env(): NodeJS.ProcessEnv {
    const { SSH_ASKPASS: _ask, DISPLAY: _x, WAYLAND_DISPLAY: _w, ...env } = process.env;
    const agent = this.#agent === undefined ? {} : { SSH_AUTH_SOCK: this.#agent };
    return { ...env, SSH_ASKPASS_REQUIRE: "never", ...agent };
  }

  #open(): void {
    if (this.#closed) throw new SkyError("core/cancelled", { what: "ssh" });
    prepareFolder(this.#folder);
    if (!this.#swept) sweepFolder(this.#folder.dir);
    this.#swept = true;
  }

  async leave(target: SshTarget): Promise<void> {
    await this.#masters.get(masterKey(target))?.leave();
  }

  /** The host's connection, made if there is none; it stays at least until `release`. */
  #hold(target: SshTarget): { readonly master: Master; readonly release: () => void } {
    const { host } = target;
    const key = masterKey(target);
    let master = this.#masters.get(key);
    if (master === undefined || master.over) {
      master = this.#connect(target);
      const made = master;
      this.#masters.set(key, made);
      this.#living.add(made);
      void made.ended.then((why) => {
        this.#log.info("ssh connection ended", { host, why });
        this.#living.delete(made);
        if (this.#masters.get(key) === made) this.#masters.delete(key);
      });
    }
    return { master, release: master.hold() };
  }

  #connect(target: SshTarget): Master {
    this.#open();
    const socket = freshName("c");
    this.#log.info("ssh connection begins", { host: target.host });
    return new Master({
      ...{ dir: this.#folder.dir, socket, idleMs: this.#idleMs },
      plan: (signal) => this.#plan(target, socket, signal),
    });
  }

  async #plan(target: SshTarget, socket: string, signal: AbortSignal): Promise<MasterPlan> {
    const folder = this.#folder;
    const resolved = await resolveHost(folder, target, { signal });
    const [jump] = resolved.jumps;
    const admitted = jump === undefined ? () => {} : await this.#gate(jump).enter(signal);
    const knownHosts = `./${knownHostsName} ${resolved.knownHosts}`;
    return {
      ...{ program: folder.program, env: folder.env(), admitted },
      args: masterArgs({ target, resolved, socket, knownHosts, home: folder.home }),
      attempt: { target, ...attemptOf(resolved), folder: folder.dir },
      connectMs: folder.connectMs + graceMs,
      explain: async (error) => {
        if (error.code !== "ssh/denied") return error;
        const { identityFiles } = resolved;
        const found = await lockedKeys({ identityFiles, home: folder.home, env: folder.env() });
        return deniedWith(error, found);
      },
    };
  }

  #gate(jump: string): Slots {
    const gate = this.#gates.get(jump) ?? new Slots(behindJumpMax);
    this.#gates.set(jump, gate);
    return gate;
  }

  /** Begins a script; waits where the host takes no more at a time. */
  async #begin(
    call: {
      readonly target: SshTarget;
      readonly master: Master;
      readonly line: string;
      readonly keep: Keep;
    },
    signal: AbortSignal,
  ): Promise<Begun> {
    const { target, master } = call;
    for (;;) {
      const begun = await this.#attempt(call, signal);
      if (await begun.session.begun) {
        master.tookCall = true;
        return begun;
      }
      const end = await begun.session.ended;
      begun.leave();
      signal.throwIfAborted();
      if (!isSessionRefused(end.noise)) throw await this.#unbegun(target, master, end);
      if (master.sessions.inside === 0) throw noRoom(target, master);
      master.sessions.narrow(master.sessions.inside);
    }
  }

  async #attempt(
    { master, line, keep }: { readonly master: Master; readonly line: string; readonly keep: Keep },
    signal: AbortSignal,
  ): Promise<Begun> {
    const back = await master.sessions.enter(signal);
    const { dir, program, env } = this.#folder;
    const args = sessionArgs(master.socket);
    const session = openSession({ ...{ program, args, cwd: dir, env: env(), line, keep } });
    const kill = (): void => session.kill();
    signal.addEventListener("abort", kill, { once: true });
    this.#sessions.add(session);
    const leave = (): void => {
      back();
      signal.removeEventListener("abort", kill);
      this.#sessions.delete(session);
    };
    return { session, leave };
  }

  async #streamEnd(
    of: { readonly target: SshTarget; readonly master: Master; readonly begun: Begun },
    signal: AbortSignal,
  ): Promise<Pick<SshResult, "code" | "stderr">> {
    const { target, master, begun } = of;
    const { code, stderr } = await begun.session.ended.finally(begun.leave);
    signal.throwIfAborted();
    if (code === 255 && !(await master.answers())) throw await this.#lost(target, master);
    return { code, stderr };
  }

  async #unbegun(target: SshTarget, master: Master, end: SessionEnd): Promise<SkyError> {
    if (!(await master.answers())) return await this.#lost(target, master);
    return noShell(target, end.noise);
  }

  /** Its connection is gone: why. */
  async #lost(target: SshTarget, master: Master): Promise<SkyError> {
    if (this.#closed) return cancelled(target);
    const timer = setTimeout(() => master.end(), lastWordsMs);
    const why = await master.ended;
    clearTimeout(timer);
    return unreachableSince(target, why);
  }
}

function masterKey({ host, user, port, identityFile }: SshTarget): string {
  return JSON.stringify([host, user, port, identityFile]);
}

/** Nothing of ours runs there, and still there is no room for one command. */
function noRoom(target: SshTarget, master: Master): SkyError {
  if (!master.tookCall) {
    const why = "it takes connections and no commands (MaxSessions in its sshd_config)";
    return new SkyError("ssh/failed", { host: target.host, why });
  }
  // What was given up here may still run there and hold its place: a new connection has all.
  master.end();
  return unreachableSince(target, "commands that were given up still run there");
}
