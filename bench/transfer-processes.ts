// The processes of the transfer benchmark: our parties in the shape that is asked for, and peers.
//
// What is started here is ended here, by its id, also when a measurement fails.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Names } from "./fanout-processes.ts";
import { checkout } from "./home.ts";
import type { TransferPart, TransferWord } from "./transfer-party.ts";

export interface Shape {
  /** Gateways that only pass on, one behind the other. */
  readonly relays: number;
  /** Destinations, one behind the other: each but the last sends on what it writes. */
  readonly sinks: number;
  readonly compress: boolean;
}

export interface Ran {
  readonly seconds: number;
  /** Of the source. */
  readonly cpuSeconds?: number;
}

/** Sends a folder of files in a shape; each destination has a folder of its own in `dir`. */
export async function runOurs(files: string, dir: string, shape: Shape): Promise<Ran> {
  const names = [
    "source",
    ...Array.from({ length: shape.relays }, (_, index) => `relay${index}`),
    ...Array.from({ length: shape.sinks }, (_, index) => `sink${index}`),
  ];
  const who = await Names.create(["127.0.0.1"]);
  const parties: Party[] = [];
  let port: number | undefined;
  try {
    for (const [index, name] of names.entries()) {
      const after = names[index + 1];
      const isSink = name.startsWith("sink");
      const role = index === 0 ? "source" : isSink ? (after ? "fork" : "sink") : "relay";
      const home = join(dir, name);
      mkdirSync(home, { recursive: true });
      const party = new Party({
        ...{ role, files, to: join(home, "to"), dir: home, compress: shape.compress },
        ...{ security: await who.security(`bench/${name}`), sealed: names.length > 2 },
        ...(port === undefined ? {} : { port }),
        next: after === undefined ? [] : [`bench/${after}`],
      });
      parties.push(party);
      if (after !== undefined) ({ port } = await party.word("listens"));
    }
    // Sessions are made before the clock starts, as a daemon that listens is started before.
    await pause(500);
    parties[0]?.begin();
    return (await parties[0]?.word("over")) ?? { seconds: Number.NaN };
  } finally {
    for (const party of parties) await party.end();
  }
}

type WordOf<T extends TransferWord["type"]> = Extract<TransferWord, { readonly type: T }>;

class Party {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(part: TransferPart) {
    const flags = process.env["SKY_BENCH_NODE_FLAGS"]?.split(" ") ?? [];
    const args = [...flags, join(checkout, "bench/transfer-party.ts")];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`${JSON.stringify(part)}\n`);
  }

  begin(): void {
    this.#child.stdin?.write("begin\n");
  }

  async word<T extends TransferWord["type"]>(type: T): Promise<WordOf<T>> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("a party of the transfer benchmark ended early");
    const word = JSON.parse(value) as TransferWord;
    if (word.type !== type) throw new Error(`a party said ${word.type}`);
    return word as WordOf<T>;
  }

  async end(): Promise<void> {
    await ended(this.#child, "SIGINT");
  }
}

async function ended(child: ChildProcess, how: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise((resolve) => child.once("close", resolve));
  child.kill(how);
  await over;
}

// ---- peers

/** rsync to a daemon of its own. */
export async function runRsync(files: string, dir: string): Promise<Ran> {
  const to = join(dir, "to");
  mkdirSync(to, { recursive: true });
  const port = freePort(1);
  const config = join(dir, "rsyncd.conf");
  const root = process.getuid?.() === 0 ? "uid = 0\ngid = 0\n" : "";
  writeFileSync(config, `use chroot = no\n${root}[to]\npath = ${to}\nread only = false\n`);
  const listen = ["--no-detach", `--config=${config}`, `--port=${port}`, "--address=127.0.0.1"];
  const daemon = spawn("rsync", ["--daemon", ...listen], { stdio: "ignore" });
  return await besides(daemon, port, () =>
    timed("rsync", ["-a", "--whole-file", `${files}/`, `rsync://127.0.0.1:${port}/to/`]),
  );
}

/** rclone to an rclone that serves a folder. */
export async function runRclone(files: string, dir: string): Promise<Ran> {
  const to = join(dir, "to");
  mkdirSync(to, { recursive: true });
  const port = freePort(2);
  const address = `127.0.0.1:${port}`;
  const config = ["--config", join(dir, "rclone.conf")];
  writeFileSync(join(dir, "rclone.conf"), "");
  const daemon = spawn("rclone", ["serve", "webdav", to, "--addr", address, ...config], {
    stdio: "ignore",
  });
  const remote = `:webdav,url='http://${address}':`;
  return await besides(daemon, port, () => timed("rclone", ["copy", files, remote, ...config]));
}

async function besides(daemon: ChildProcess, port: number, run: () => Promise<Ran>): Promise<Ran> {
  try {
    await listening(port);
    return await run();
  } finally {
    await ended(daemon, "SIGTERM");
  }
}

/** A peer that takes longer counts as having taken this. */
const peerMsMax = 60_000;

async function timed(program: string, args: readonly string[]): Promise<Ran> {
  const began = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said = `${said}${text}`.slice(-1_000);
  });
  const giveUp = setTimeout(() => child.kill(), peerMsMax);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(giveUp);
  if (child.killed) return { seconds: peerMsMax / 1_000 };
  if (code !== 0) throw new Error(`${program} failed: ${said}`);
  return { seconds: (performance.now() - began) / 1_000 };
}

const triesMax = 100;

async function listening(port: number): Promise<void> {
  for (let tried = 0; tried < triesMax; tried += 1) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("close", () => socket.destroy());
      socket.once("connect", () => socket.end());
    });
    if (isThere) return;
    await pause(50);
  }
  throw new Error(`nobody listens at port ${port}`);
}

function freePort(which: number): number {
  return 21_000 + ((process.pid * 4 + which) % 10_000);
}
