// A process port in a process of its own, so that a test can kill its agent with `kill -9`.
//
// Started with `fork` and the port's options as JSON; calls come in as messages, answers and events
// go out. `remotePort` is the other half.

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startProcessOs } from "../../agent/process-os.ts";
import { isSkyError, skyErrorFrom } from "../../model/errors.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ProcessEvent, ProcessPort } from "../../runtime/process.ts";
import { createOsRandom } from "../../runtime/random-os.ts";

type Method = keyof Omit<ProcessPort, "onEvent">;

interface Call {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly never[];
}

type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "event"; readonly event: ProcessEvent }
  | { readonly kind: "value"; readonly id: number; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly id: number;
      readonly code: string;
      readonly params: Readonly<Record<string, string>>;
      readonly text: string;
    };

export interface RemotePort {
  readonly port: ProcessPort;
  readonly child: ChildProcess;
}

/** Starts a port in a child process, as that user if one is given. */
export async function remotePort(options: object, uid?: number): Promise<RemotePort> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], {
    ...(uid === undefined ? {} : { uid, gid: uid }),
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const listeners = new Set<(event: ProcessEvent) => void>();
  const open = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  let calls = 0;
  const call = <T>(method: Method, ...args: readonly unknown[]): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      calls += 1;
      open.set(calls, { resolve: (value) => resolve(value as T), reject });
      child.send({ id: calls, method, args });
    });
  const ready = new Promise<void>((resolve, reject) => {
    child.once("exit", (code, signal) => {
      reject(new Error(`the port's process ended: ${code ?? signal}`));
      for (const { resolve: settle } of open.values()) settle(undefined);
    });
    child.on("message", (answer: Answer) => {
      if (answer.kind === "ready") resolve();
      else if (answer.kind === "event") for (const hear of listeners) hear(answer.event);
      else settle(open, answer);
    });
  });
  await ready;
  const port: ProcessPort = {
    prepare: (spec) => call("prepare", spec),
    go: (dir, lease) => void (lease === undefined ? call("go", dir) : call("go", dir, lease)),
    renew: (from) => void call("renew", from),
    release: (dir) => void call("release", dir),
    signal: (dir, signal) => call("signal", dir, signal),
    sweep: (dir) => call("sweep", dir),
    inventory: () => call("inventory"),
    onEvent: (hear) => {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
    close: async () => {
      if (!child.connected) return;
      await call("close");
      await killed(child);
    },
  };
  return { port, child };
}

/** `kill -9`, and wait until it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}

function settle(
  open: Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>,
  answer: Extract<Answer, { readonly id: number }>,
): void {
  const waiting = open.get(answer.id);
  open.delete(answer.id);
  if (answer.kind === "value") waiting?.resolve(answer.value);
  else waiting?.reject(skyErrorFrom(answer.code, answer.params, answer.text));
}

// ---- in the child

async function serve(
  options: Omit<Parameters<typeof startProcessOs>[0], "clock" | "random" | "log">,
) {
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const port = await startProcessOs({ ...options, ...ports });
  const send = (answer: Answer): void => void process.send?.(answer);
  port.onEvent((event) => send({ kind: "event", event }));
  process.on("message", async ({ id, method, args }: Call) => {
    try {
      const work = port[method] as (...args: readonly never[]) => unknown;
      send({ kind: "value", id, value: await work.apply(port, [...args]) });
    } catch (error) {
      const known = isSkyError(error) ? error : undefined;
      const params = (known?.params ?? {}) as Record<string, string>;
      send({ kind: "error", id, code: known?.code ?? "?", params, text: String(error) });
    }
  });
  send({ kind: "ready" });
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  await serve(JSON.parse(process.argv[2] ?? "{}"));
}
