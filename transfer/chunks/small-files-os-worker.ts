// The thread that writes small files: writes what comes, flushes what is written, gives it names.
//
// Two things go on at once: files are written, and those that were written before are flushed. Many
// are flushed with their whole file system (syncfs), which costs one pass whatever their number;
// a few are flushed one by one, so that they do not wait for what others have written to the disk.
// Source: syncfs(2): it tells of failed writes since Linux 5.8; before that each file is flushed.

import { spawn } from "node:child_process";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { release } from "node:os";
import { dirname } from "node:path";
import { parentPort } from "node:worker_threads";
import { assert, errorText } from "../../model/errors.ts";
import type { Letter, Reply } from "./batch-thread-os.ts";
import type { SmallFileRequest } from "./small-files-os.ts";

assert(parentPort !== null, "small files are written on a thread of its own");
const port = parentPort;

type File = SmallFileRequest & { readonly id: number };
type Done = Extract<Reply<undefined>, { readonly done: unknown }>["done"][number];

interface Written {
  readonly file: File;
  /** Of the file system. */
  readonly device: number;
}

/** So few are flushed one by one. */
const fewMax = 16;
/** Files of one flush. */
const groupMax = 2_048;
/** Written before the messages that came meanwhile are taken. */
const turnMax = 64;

const waiting: File[] = [];
const written: Written[] = [];
/** Those that it is not through with. */
let letters = 0;
let writing = false;
let flushing = false;
let hasGroupFlush = isSince58(release());

port.on("message", ({ items }: Letter<SmallFileRequest>) => {
  for (const { id, request } of items) waiting.push({ ...request, id });
  letters += 1;
  if (!writing) void writeAll();
});

async function writeAll(): Promise<void> {
  writing = true;
  while (waiting.length > 0) {
    const failed: Done[] = [];
    for (const file of waiting.splice(0, turnMax)) {
      try {
        written.push({ file, device: write(file) });
      } catch (error) {
        remove(file);
        failed.push(failureOf(file, error));
      }
    }
    tell(failed);
    if (!flushing) void flushAll();
    await new Promise((resolve) => setImmediate(resolve));
  }
  writing = false;
  for (; letters > 0; letters -= 1) port.postMessage({ next: true } satisfies Reply<undefined>);
}

function write({ partial, bytes, mode, mtimeMs }: File): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const fd = openSync(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fchmodSync(fd, mode);
    if (mtimeMs !== undefined) futimesSync(fd, mtimeMs / 1_000, mtimeMs / 1_000);
    return fstatSync(fd).dev;
  } finally {
    closeSync(fd);
  }
}

async function flushAll(): Promise<void> {
  flushing = true;
  while (written.length > 0) {
    const group = written.splice(0, groupMax);
    try {
      await flush(group);
      tell(await nameAll(group));
    } catch (error) {
      for (const { file } of group) remove(file);
      tell(group.map(({ file }) => failureOf(file, error)));
    }
  }
  flushing = false;
}

async function flush(group: readonly Written[]): Promise<void> {
  if (group.length > fewMax && hasGroupFlush) {
    const devices = new Map(group.map(({ file, device }) => [device, dirname(file.partial)]));
    for (const folder of devices.values()) await flushSystem(folder);
    if (hasGroupFlush) return;
  }
  await Promise.all(group.map(({ file }) => flushOne(file.partial)));
}

/** Of files whose mode keeps even us from reading them, too. */
async function flushOne(path: string): Promise<void> {
  const { O_RDONLY, O_WRONLY, O_NOFOLLOW } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW).catch(() =>
    open(path, O_WRONLY | O_NOFOLLOW),
  );
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Where the system has no such program, there is none from then on. */
async function flushSystem(folder: string): Promise<void> {
  const child = spawn("sync", ["-f", folder], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said = `${said}${text}`.slice(-1_000);
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("close", resolve);
  });
  if (code === 0) return;
  if (code !== null && /input\/output|no space|quota/i.test(said)) throw new Error(said.trim());
  hasGroupFlush = false;
}

/** Each its name, and the names safe. */
async function nameAll(group: readonly Written[]): Promise<readonly Done[]> {
  const done: Done[] = [];
  const folders = new Set<string>();
  for (const { file } of group) {
    try {
      renameSync(file.partial, file.path);
      folders.add(dirname(file.path));
      done.push({ id: file.id });
    } catch (error) {
      remove(file);
      done.push(failureOf(file, error));
    }
  }
  if (folders.size > fewMax && hasGroupFlush) {
    const devices = new Map(group.map(({ file, device }) => [device, dirname(file.path)]));
    for (const folder of devices.values()) await flushSystem(folder);
    if (hasGroupFlush) return done;
  }
  await Promise.all([...folders].map((folder) => flushOne(folder)));
  return done;
}

function remove({ partial }: File): void {
  try {
    rmSync(partial, { force: true });
  } catch (error) {
    // What it is left for is told with the failure itself.
    process.emitWarning(`${partial} stays: ${errorText(error)}`);
  }
}

function failureOf({ id }: File, error: unknown): Done {
  const { code } = error as NodeJS.ErrnoException;
  return { id, failure: { code: code ?? "", params: {}, text: errorText(error) } };
}

function tell(done: readonly Done[]): void {
  if (done.length > 0) port.postMessage({ done } satisfies Reply<undefined>);
}

function isSince58(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 8);
}
