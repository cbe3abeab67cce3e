// One script on a host, through a master's socket: an `ssh` process of its own for each.
//
// What a login shell prints at its start is told apart from the script's output by a mark that the
// script's shell prints first, on both outputs. Until then nothing but the script was sent.
// What must always hold: `ended` resolves once and never rejects; nothing that the host prints can
// fill the memory; a killed session leaves no process here.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { pipeline, type Readable, Transform, type Writable } from "node:stream";
import { begunMark } from "./openssh-options.ts";

/** Which part of the standard error is kept. */
export interface Keep {
  readonly bytes: number;
  readonly end: "first" | "last";
}

export interface SessionPlan {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly line: string;
  readonly keep: Keep;
}

export interface SessionEnd {
  /** 255 also where `ssh` itself failed. */
  readonly code: number;
  readonly stderr: string;
  /** What came before the mark on both outputs, or instead of it. */
  readonly noise: string;
}

export interface Session {
  readonly stdin: Writable;
  /** Without anything from before the mark. */
  readonly stdout: Readable;
  /** False: it ended without having begun. */
  readonly begun: Promise<boolean>;
  readonly ended: Promise<SessionEnd>;
  kill(): void;
}

const noiseBytesMax = 65_536;
const mark = Buffer.from(begunMark);

export function openSession(plan: SessionPlan): Session {
  const child = spawn(plan.program, [...plan.args], {
    ...{ cwd: plan.cwd, env: plan.env, detached: true },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A script that does not read its input ends before it was written: nothing is wrong then.
  child.stdin.on("error", () => {});
  child.stdin.write(plan.line);
  const stderr = keepStderr(child.stderr, plan.keep);
  const opening = afterMark(child.stdout);
  return {
    stdin: child.stdin,
    stdout: opening.stream,
    begun: opening.begun,
    ended: endOf(child, () => ({
      stderr: stderr.text(),
      noise: `${opening.noise()}\n${stderr.noise()}`,
    })),
    kill: () => {
      child.kill("SIGKILL");
      // Nobody waits for what a process of the user's that holds them might still say.
      for (const end of [child.stdin, child.stdout, child.stderr]) end.destroy();
    },
  };
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

async function endOf(
  child: Child,
  rest: () => Pick<SessionEnd, "stderr" | "noise">,
): Promise<SessionEnd> {
  return await new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 127, stderr: "", noise: error.message }));
    child.once("close", (code) => resolve({ code: code ?? 255, ...rest() }));
  });
}

interface Opening {
  /** What comes after the mark. */
  readonly stream: Readable;
  readonly begun: Promise<boolean>;
  readonly noise: () => string;
}

/**
 * A stream of its own, as Node throws away what nobody reads of a process's output yet when the
 * process ends.
 */
function afterMark(source: Readable): Opening {
  let noise = Buffer.alloc(0);
  let isBegun = false;
  const begun = Promise.withResolvers<boolean>();
  const stream = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      if (isBegun) return done(null, chunk);
      const seen = Buffer.concat([noise, chunk]);
      const at = seen.indexOf(mark);
      noise = (at < 0 ? seen : seen.subarray(0, at)).subarray(-noiseBytesMax);
      if (at < 0) return done();
      isBegun = true;
      begun.resolve(true);
      const rest = seen.subarray(at + mark.length);
      done(null, rest.length > 0 ? rest : undefined);
    },
  });
  // A stream that was cut off says so to who reads it; there may be nobody.
  stream.on("error", () => {});
  source.once("close", () => begun.resolve(false));
  pipeline(source, stream, () => begun.resolve(false));
  return { stream, begun: begun.promise, noise: () => noise.toString() };
}

function keepStderr(stream: Readable, keep: Keep): { text: () => string; noise: () => string } {
  let noise = Buffer.alloc(0);
  let kept = Buffer.alloc(0);
  let begun = false;
  const add = (chunk: Buffer): void => {
    const room = keep.bytes - kept.length;
    if (keep.end === "first")
      kept = room <= 0 ? kept : Buffer.concat([kept, chunk], keptSize(chunk));
    else kept = Buffer.concat([kept, chunk]).subarray(-keep.bytes);
  };
  const keptSize = (chunk: Buffer): number => Math.min(keep.bytes, kept.length + chunk.length);
  stream.on("data", (chunk: Buffer) => {
    if (begun) return add(chunk);
    const seen = Buffer.concat([noise, chunk]);
    const at = seen.indexOf(mark);
    noise = (at < 0 ? seen : seen.subarray(0, at)).subarray(-noiseBytesMax);
    begun = at >= 0;
    if (begun) add(seen.subarray(at + mark.length));
  });
  return { text: () => textOf(kept), noise: () => noise.toString() };
}

/** A character that was cut in two at the end is left out. */
export function textOf(bytes: Buffer): string {
  let end = bytes.length;
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    const width = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (width > back) end = bytes.length - back;
    if (width > 1) break;
  }
  return bytes.toString("utf8", 0, end);
}

/** All of a stream, or as much of its beginning as there is room for. */
export async function readAll(stream: Readable, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, bytesMax - size);
    if (part.length > 0) parts.push(part);
    size += part.length;
  });
  await new Promise<void>((resolve) => {
    if (stream.closed) resolve();
    else stream.once("close", resolve);
  });
  return textOf(Buffer.concat(parts));
}
