// The thread that writes small files: writes what comes, flushes what is written, gives it names.
//
// While it flushes it writes nothing: a file system that commits its journal lets nobody make files
// either, and the next group is the larger for it. Many are flushed with their whole file system
// (syncfs), which costs one pass whatever their number; a few are flushed one by one, so that they
// do not wait for what others have written to the disk.
// Source: syncfs(2): it tells of failed writes since Linux 5.8; before that each file is flushed.

import { type ChildProcess, spawn } from "node:child_process";
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
import { createInterface } from "node:readline";
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
const groupBytesMax = 64 * 1024 * 1024;
const modeBits = 0o7777;
/** Written before the messages that came meanwhile are taken. */
const turnMax = 64;

const waiting: File[] = [];
const written: Written[] = [];
/** Those that it is not through with. */
let letters = 0;
let working = false;
let writtenBytes = 0;
let hasGroupFlush = isSince58(release());

port.on("message", ({ items }: Letter<SmallFileRequest>) => {
  for (const { id, request } of items) waiting.push({ ...request, id });
  letters += 1;
  if (!working) void work();
});

/** Writes all that waits, flushes it, and so on: what comes meanwhile is the next group. */
async function work(): Promise<void> {
  working = true;
  let named: readonly Written[] = [];
  while (waiting.length + written.length + named.length > 0) {
    const isFull = written.length >= groupMax || writtenBytes >= groupBytesMax;
    if (waiting.length > 0 && !isFull) {
      writeSome();
      // The messages that came meanwhile belong to it, too.
      await new Promise((resolve) => setImmediate(resolve));
    } else named = await settle(written.splice(0), named);
  }
  working = false;
}

function writeSome(): void {
  const failed: Done[] = [];
  const came: number[] = [];
  for (const file of waiting.splice(0, turnMax)) {
    try {
      written.push({ file, device: write(file) });
      writtenBytes += file.bytes.length;
      came.push(file.id);
    } catch (error) {
      remove(file);
      failed.push(failureOf(file, error));
    }
  }
  tell(failed);
  port.postMessage({ began: came } satisfies Reply<undefined>);
  for (; letters > 0 && waiting.length === 0; letters -= 1) {
    port.postMessage({ next: true } satisfies Reply<undefined>);
  }
}

function write({ partial, bytes, mode, mtimeMs }: File): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const fd = openSync(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    const found = fstatSync(fd);
    // What the umask took, and what an earlier try left.
    if ((found.mode & modeBits) !== mode) fchmodSync(fd, mode);
    if (mtimeMs !== undefined) futimesSync(fd, mtimeMs / 1_000, mtimeMs / 1_000);
    return found.dev;
  } finally {
    closeSync(fd);
  }
}

/** One flush is for the bytes of some and for the names of those before them. */
async function settle(
  group: readonly Written[],
  named: readonly Written[],
): Promise<readonly Written[]> {
  writtenBytes = 0;
  try {
    await flush(group, named);
    tell(named.map(({ file }) => ({ id: file.id })));
    return nameAll(group);
  } catch (error) {
    // Names that may not be safe are told as failures, though they may be there.
    for (const { file } of group) remove(file);
    tell([...group, ...named].map(({ file }) => failureOf(file, error)));
    return [];
  }
}

async function flush(group: readonly Written[], named: readonly Written[]): Promise<void> {
  if (group.length + named.length > fewMax && hasGroupFlush) {
    const places = [...group, ...named].map(({ file, device }) => [device, file.path] as const);
    for (const path of new Map(places).values()) await flushSystem(dirname(path));
    if (hasGroupFlush) return;
  }
  const folders = new Set(named.map(({ file }) => dirname(file.path)));
  const files = group.map(({ file }) => file.partial);
  await Promise.all([...files, ...folders].map((path) => flushOne(path)));
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

/**
 * A shell that flushes the file system of each folder that it is told: to start a program from a
 * process as large as ours takes as long as a flush. It ends with its input, and so with us.
 */
const script = 'while IFS= read -r folder; do sync -f "$folder" 2>&1 && echo ok; done';
const okLine = "ok";
let shell: { readonly child: ChildProcess; readonly lines: AsyncIterator<string> } | undefined;

/** Where the system has no such program, it is not asked again. */
async function flushSystem(folder: string): Promise<void> {
  if (folder.includes("\n")) {
    hasGroupFlush = false;
    return;
  }
  shell ??= startShell();
  shell.child.stdin?.write(`${folder}\n`);
  const { value, done } = await shell.lines.next();
  if (value === okLine) return;
  if (done !== true && /input\/output|no space|quota/i.test(value)) throw new Error(value);
  shell.child.kill();
  shell = undefined;
  hasGroupFlush = false;
}

function startShell(): NonNullable<typeof shell> {
  const child = spawn("/bin/sh", ["-c", script], { cwd: "/", stdio: ["pipe", "pipe", "ignore"] });
  // That there is no shell is told by the end of what it says.
  child.on("error", () => child.stdout.destroy());
  child.stdin.on("error", () => child.stdout.destroy());
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** Those that have their names now. */
function nameAll(group: readonly Written[]): readonly Written[] {
  const failed: Done[] = [];
  const named = group.filter(({ file }) => {
    try {
      renameSync(file.partial, file.path);
      return true;
    } catch (error) {
      remove(file);
      failed.push(failureOf(file, error));
      return false;
    }
  });
  tell(failed);
  return named;
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
