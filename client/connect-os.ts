// The way to this home's skyhead: dial its socket; if nobody listens there, start one.
//
// Any number of clients may do that at the same moment: each starts a skyhead, one of them gets the
// home's lock, the others leave with code 75 and their clients dial the winner. Nothing here ever
// ends a process, and a skyhead that was started outlives the one who started it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SkyError } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import type { HeadClient } from "../proto/client-grpc.ts";
import { makeFolders } from "../runtime/folders-os.ts";
import { socketAddress } from "../runtime/socket-os.ts";
import { packageVersion } from "../runtime/version-os.ts";

/** What skyhead exits with when another one holds the home. EX_TEMPFAIL of sysexits.h. */
const exitHomeHeld = 75;
const readyMsMax = 30_000;
const dialPauseMs = 20;
const answerMsMax = 5_000;
/** A head that is killed while it starts says nothing of the next one. */
const killedMax = 8;
/** What a head that cannot start may say. */
const lastBytesMax = 64 * 1024;
/** A head's log that has grown longer is put aside when the next one starts; one is kept. */
const logBytesMax = 16 * 1024 * 1024;

export interface ConnectOptions {
  readonly home: Home;
  /** Hears once of a head whose version is not ours, or that does not answer. */
  readonly onWarning?: (text: string) => void;
  /** For tests. */
  readonly answerMs?: number;
}

/** @throws SkyError `head/start-failed`, which names the log; `core/cancelled`. */
export async function connectHead(
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<HeadClient> {
  // Loaded while the socket is tried: it is the heaviest thing that a short command needs.
  const loading = import("../proto/client-grpc.ts");
  const { home } = options;
  let reached = await reach(home);
  if (reached === undefined) {
    await bringUp(home, signal);
    reached = await reach(home);
  }
  const { dialHead } = await loading;
  const address = socketAddress(home.socket);
  const client = dialHead(`unix:${address.path}`, reached, ownAgent());
  void compareVersions(client, options);
  const close = (): void => {
    client.close();
    address.release();
  };
  return { ...client, close };
}

/** The head may be older than the user's login, whose agent has the keys to hosts. */
function ownAgent(): { readonly agentSocket?: string } {
  const { SSH_AUTH_SOCK: agentSocket = "" } = process.env;
  return agentSocket.startsWith("/") ? { agentSocket } : {};
}

/** Whether a skyhead of this home takes connections now. */
export async function isListening(home: Home): Promise<boolean> {
  const reached = await reach(home);
  reached?.destroy();
  return reached !== undefined;
}

/** A connection to the skyhead of this home, if there is one. */
async function reach(home: Home): Promise<Socket | undefined> {
  if (!existsSync(home.socket)) return undefined;
  const address = socketAddress(home.socket);
  const socket = connect(address.path);
  try {
    await once(socket, "connect");
    // From now on the call that uses it hears when it breaks.
    socket.on("error", () => {});
    return socket;
  } catch {
    // What a skyhead that was killed left behind: there is nobody.
    return undefined;
  } finally {
    address.release();
  }
}

async function bringUp(home: Home, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.timeout(readyMsMax);
  const until = AbortSignal.any([signal, deadline]);
  let killed = 0;
  while (!until.aborted) {
    const end = await startHead(home, until);
    if (end === "ready") return;
    if (end.startsWith(killedBySignal) && ++killed < killedMax) continue;
    if (end !== "held") throw startFailed(home, end);
    // Another one holds the home: it will listen soon, or give the home up.
    // An abort ends the pause early; the loop's condition sees it.
    await pause(dialPauseMs, undefined, { signal: until }).catch(() => {});
    if (await isListening(home)) return;
  }
  if (signal.aborted) throw new SkyError("core/cancelled", { what: "starting the local head" });
  throw startFailed(home, `it was not ready within ${readyMsMax / 1_000} s`);
}

function startFailed(home: Home, why: string): SkyError {
  return new SkyError("head/start-failed", { why: `${why}; its log is ${home.headLog}` });
}

const killedBySignal = "it was killed by";

/**
 * glibc gives each busy thread heaps of its own, of which little comes back: over ten thousand jobs
 * a head grew by 30 MiB and went on, where with two heaps it stays as it is. Measured 2026-11.
 */
const leanMemory = { MALLOC_ARENA_MAX: "2" } as const;

/** Starts a skyhead and waits for its first word: `ready`, `held`, or what went wrong. */
async function startHead(home: Home, signal: AbortSignal): Promise<string> {
  const log = openLog(home);
  const logFrom = fstatSync(log).size;
  const child = spawn(process.execPath, [headProgram()], {
    cwd: home.root,
    detached: true,
    env: { ...leanMemory, ...process.env, SKY_HOME: home.root },
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  const news = child.stdio[3] as Readable;
  const exited = once(child, "exit", { signal }).then(([code, killedBy]) => {
    if (code === exitHomeHeld) return "held";
    if (killedBy !== null) return `${killedBySignal} ${killedBy}`;
    return lastWords(home, logFrom) ?? `it ended with ${code}`;
  });
  try {
    return await Promise.race([saidReady(news, signal), exited]);
  } catch (error) {
    if (signal.aborted) return "held";
    return error instanceof Error ? error.message : String(error);
  } finally {
    // The race is over: the loser's news is not needed.
    exited.catch(() => {});
    news.destroy();
    child.unref();
  }
}

/** What a skyhead that could not start says on its last line, `skyhead: <why>`. */
function lastWords(home: Home, from: number): string | undefined {
  const log = openSync(home.headLog, "r");
  const buffer = Buffer.alloc(lastBytesMax);
  const said = buffer.toString("utf8", 0, readSync(log, buffer, 0, lastBytesMax, from));
  closeSync(log);
  const lines = said.split("\n").filter((line) => line.startsWith("skyhead: "));
  return lines.at(-1)?.slice("skyhead: ".length);
}

async function saidReady(news: Readable, signal: AbortSignal): Promise<string> {
  let said = "";
  news.setEncoding("utf8");
  for await (const text of news) {
    said += text;
    if (said.includes("ready\n")) return "ready";
  }
  // It closed the pipe without a word: its exit code says more.
  return once(news, "never", { signal }).then(() => "");
}

function openLog(home: Home): number {
  try {
    makeFolders(home.root, 0o700);
    makeFolders(home.head, 0o700);
    const size = statSync(home.headLog, { throwIfNoEntry: false })?.size ?? 0;
    if (size > logBytesMax) renameSync(home.headLog, `${home.headLog}.1`);
    return openSync(home.headLog, "a", 0o600);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkyError("head/start-failed", { why }, { cause });
  }
}

/** Beside the bundle that we are part of, or among the sources. */
function headProgram(): string {
  const unbuilt = import.meta.url.endsWith(".ts");
  const place = unbuilt ? "../bin/skyhead.ts" : "./skyhead.js";
  return fileURLToPath(new URL(place, import.meta.url));
}

async function compareVersions(client: HeadClient, options: ConnectOptions): Promise<void> {
  const { onWarning, answerMs = answerMsMax } = options;
  if (onWarning === undefined) return;
  const ours = packageVersion();
  const begun = performance.now();
  try {
    const { version, pid } = await client.debug.version({}, { timeoutMs: answerMs });
    if (version === ours) return;
    onWarning(
      `the running skyhead has version ${version}, this is ${ours}: it is used as it is, and ` +
        `replaced when it has been idle; at once: kill ${pid}, its ranks run on`,
    );
  } catch {
    // The caller's own call tells of any other trouble; a head that is silent it waits for.
    if (performance.now() - begun < answerMs) return;
    onWarning(`the head has not answered for ${answerMs / 1_000} s: see \`sky doctor\``);
  }
}
