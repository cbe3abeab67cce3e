// The node's one launcher process, and the FIFO on which its slots report.
//
// Started once, early and with a clean environment; every later fork is its own, because spawning
// from a grown Node process blocks the event loop for up to 27 ms. It ends when its standard input
// closes. A launcher that dies is started again; slots that stand or run do not need it.
//
// The report FIFO outlives agents: a rank of an earlier agent reports to the next one.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { Socket } from "node:net";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { launcherScript, runnerScript, slotReports } from "./launcher.ts";

export interface SlotReport {
  readonly kind: (typeof slotReports)[keyof typeof slotReports];
  readonly token: string;
  /** What else the line says. */
  readonly words: readonly string[];
}

export interface Launcher {
  /** One line of its command language. */
  order(line: string): void;
  /** Ends the launcher. Its slots go on, and so does the hearing of their reports. */
  end(): Promise<void>;
  close(): void;
}

export interface LauncherOptions {
  /** Holds the scripts and the folder `slots`. */
  readonly stateDir: string;
  readonly home: string;
  /** As in the options of the process port. */
  readonly mark?: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly onReport: (report: SlotReport) => void;
  /** Orders may have been lost with the launcher that ended. */
  readonly onRestart: () => void;
}

const restartDelayMs = 200;

export async function startLauncher(options: LauncherOptions): Promise<Launcher> {
  const slots = `${options.stateDir}/slots`;
  mkdirSync(slots, { recursive: true, mode: 0o700 });
  writeScript(`${options.stateDir}/launcher.sh`, launcherScript);
  writeScript(`${options.stateDir}/runner.sh`, runnerScript);
  let closing = false;
  let restarting = Promise.resolve();
  let child = await spawnLauncher(options);
  const reports = readReports(`${slots}/report`, options.onReport);
  const watchChild = (): void => {
    child.once("exit", (code, signal) => {
      if (closing) return;
      options.log.warn("launcher ended, starting another", { code, signal });
      restartAfter(restartDelayMs);
    });
  };
  const restartAfter = (ms: number): void => {
    options.clock.after(ms, () => {
      if (!closing) restarting = restart();
    });
  };
  const restart = async (): Promise<void> => {
    try {
      child = await spawnLauncher(options);
      watchChild();
      options.onRestart();
    } catch (error) {
      options.log.error("launcher does not start", { error });
      restartAfter(restartDelayMs * 10);
    }
  };
  watchChild();
  return {
    order: (line) => void child.stdin?.write(`${line}\n`),
    end: async () => {
      closing = true;
      // One that is just starting would be nobody's.
      await restarting;
      await ended(child);
    },
    close: () => void reports.destroy(),
  };
}

/** One that is there already needs no room. */
function writeScript(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  writeFileSync(path, text, { mode: 0o700 });
  chmodSync(path, 0o700);
}

/** Resolves once the launcher has its report FIFO. */
async function spawnLauncher(options: LauncherOptions): Promise<ChildProcess> {
  const mask = process.umask().toString(8).padStart(4, "0");
  const child = spawn("bash", ["--norc", "./launcher.sh", "slots", mask], {
    cwd: options.stateDir,
    env: baseEnvironment(options.home, options.mark),
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  // A launcher that is gone shows itself by its exit; writes into its pipe may fail before that.
  child.stdin?.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    const failed = (why: string) => reject(new SkyError("process/launcher-lost", { why }));
    child.once("error", (error) => failed(error.message));
    child.once("exit", (code, signal) => failed(`it exited with ${code ?? signal}`));
    child.stdout?.once("data", () => resolve());
  });
  child.removeAllListeners("exit");
  child.stdout?.destroy();
  child.unref();
  return child;
}

/** In the environment of everything that a cluster runs on a host. */
export const markName = "SKYLET_HOST";

/** Where there is none to inherit: that of bash ends in the working directory. */
const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What every rank starts from. Never the environment of whoever started the agent. */
export function baseEnvironment(home: string, mark?: string): Record<string, string> {
  const kept = ["PATH", "LANG", "TERM", "USER", "LOGNAME", "SHELL", "TZ"];
  const environment: Record<string, string> = { PATH: plainPath };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (kept.includes(name) || name.startsWith("LC_"))) {
      environment[name] = value;
    }
  }
  const marked = mark === undefined ? {} : { [markName]: mark };
  return { ...environment, ...marked, HOME: home, PYTHONUNBUFFERED: "1" };
}

function readReports(path: string, hear: (report: SlotReport) => void): Socket {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = socketOn(fd);
  let rest = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const report = parseReport(line);
      if (report) hear(report);
    }
  });
  socket.unref();
  return socket;
}

function socketOn(fd: number): Socket {
  try {
    return new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function parseReport(line: string): SlotReport | undefined {
  const [letter = "", token, ...words] = line.split(" ");
  const kind = (slotReports as Readonly<Record<string, SlotReport["kind"]>>)[letter];
  return kind === undefined || token === undefined ? undefined : { kind, token, words };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.stdin?.end();
  await gone;
}
