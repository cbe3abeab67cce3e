// Runs one layer of the tests and counts, for `npm test` and `npm run check`.
//
// Files run in processes of their own through Node's test runner, whose events are read here: the
// names that ran, what failed and why. A file that neither ends nor fails in time is ended by the
// runner. What must always hold: a file that crashes before its first test counts as a failure.

import { randomInt } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { EventData } from "node:test";
import { run } from "node:test";

export const checkout = resolve(import.meta.dirname, "..");

/** SKY_TEST_VERBOSE=1 shows what the tests themselves print. */
const verbose = Boolean(process.env["SKY_TEST_VERBOSE"]);

/** Drawn once for all files, so that one number repeats them all. */
if (process.env["SKY_TEST_SEED"] === "random") {
  process.env["SKY_TEST_SEED"] = String(randomInt(2 ** 31 - 1));
}

/** What was compiled once need not be again in each file's process, nor in the programs'. */
process.env["NODE_COMPILE_CACHE"] ??= join(checkout, ".tmp/compile");

/** SKY_TEST_TIMES=1 tells how long each file took. */
const timed = Boolean(process.env["SKY_TEST_TIMES"]);

const saidCharactersMax = 4_000;

export interface Layer {
  readonly name: string;
  /** Paths relative to the checkout. */
  readonly files: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly concurrency?: number;
  readonly fileTimeoutMs?: number;
}

export interface LayerResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly ms: number;
  /** `file: name` of every test that ran, in both outcomes. */
  readonly ran: ReadonlySet<string>;
  /** One text for each: the test and its error, or the test and why it was skipped. */
  readonly failures: readonly string[];
  readonly skips: readonly string[];
  /** What tests hand over to be shown whatever came of them: diagnostics with this mark. */
  readonly tables: readonly string[];
}

/** As in `test/sim/tables.ts`, which no script imports. */
const tableMark = "TABLE ";

/** The test files of a folder whose name matches; none if there is no such folder. */
export function testFiles(folder: string, pattern = /\.test\.ts$/): readonly string[] {
  if (!existsSync(join(checkout, folder))) return [];
  return readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort();
}

export async function runLayer(layer: Layer): Promise<LayerResult> {
  const { name, concurrency = 2, fileTimeoutMs = 120_000 } = layer;
  const startedAt = performance.now();
  const tally: Tally = { passed: 0, ran: new Set(), failures: [], skips: [], tables: [] };
  const before = { ...process.env };
  Object.assign(process.env, layer.env);
  const waiting = [...layer.files];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const fileAt = performance.now();
      await runFile(file, fileTimeoutMs, tally);
      if (timed) console.log(`${seconds(performance.now() - fileAt)}  ${file}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  for (const name of Object.keys(layer.env ?? {})) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  const { passed, ran, failures, skips, tables } = tally;
  const ms = performance.now() - startedAt;
  const counts = { passed, failed: failures.length, skipped: skips.length };
  return { name, ...counts, ms, ran, failures, skips, tables };
}

interface Tally {
  passed: number;
  readonly ran: Set<string>;
  readonly failures: string[];
  readonly skips: string[];
  readonly tables: string[];
}

/** The runner's own time limit ends tests and not processes: a handle left open would hang us. */
async function runFile(file: string, timeoutMs: number, tally: Tally): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  let said = "";
  for await (const { type, data } of run({ files: [join(checkout, file)], signal: late.signal })) {
    if (late.signal.aborted) break;
    if (type === "test:pass") count(tally, data);
    if (type === "test:diagnostic" && data.message.startsWith(tableMark)) {
      tally.tables.push(data.message.slice(tableMark.length));
    }
    // A file that crashed has said why on its standard error, and the runner does not know it.
    if (type === "test:fail") count(tally, data, crashOf(data.details.error, said));
    if (type === "test:stderr") said = (said + data.message).slice(-saidCharactersMax);
    if (type === "test:stderr" && verbose) process.stderr.write(data.message);
  }
  clearTimeout(timer);
  if (late.signal.aborted) tally.failures.push(`${file}\ndid not end within ${timeoutMs} ms`);
}

function count(
  tally: Tally,
  event: EventData.TestPass | EventData.TestFail,
  error?: unknown,
): void {
  const name = nameOf(event);
  if (event.details.type === "suite" && error === undefined) return;
  if (event.skip !== undefined && event.skip !== false) {
    tally.skips.push(`${name}: ${event.skip === true ? "without a reason" : event.skip}`);
    return;
  }
  // A parent fails because a child did: the child is reported already.
  if (error !== undefined && isOfChild(error)) return;
  tally.ran.add(name);
  if (error === undefined) tally.passed += 1;
  else tally.failures.push(`${name}\n${errorText(error)}`);
}

/** One line: `unit          312 passed   0 failed   0 skipped    4.1 s`. */
export function summaryLine(result: LayerResult): string {
  const { name, passed, failed, skipped, ms } = result;
  const counts = [`${passed} passed`, `${failed} failed`, `${skipped} skipped`]
    .map((text) => text.padStart(13))
    .join("");
  return `${name.padEnd(24)}${counts}${seconds(ms)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`.padStart(10);
}

/** The tables, failures and skips of a layer, as text. Empty when there are none. */
export function detailsOf(result: LayerResult): string {
  const failures = result.failures.map((text) => `\nFAILED  ${text}\n`);
  const seed = process.env["SKY_TEST_SEED"];
  if (failures.length > 0 && seed !== undefined) failures.push(`\nSKY_TEST_SEED=${seed}\n`);
  const skips = result.skips.map((text) => `skipped ${text}\n`);
  const tables = result.tables.map((text) => `\n${text}\n`);
  return [...tables, ...failures, ...skips].join("");
}

function nameOf(event: EventData.TestPass | EventData.TestFail): string {
  const file = event.file === undefined ? "" : `${relative(checkout, event.file)}: `;
  const isFile = event.file === undefined || resolve(event.name) === event.file;
  return isFile ? relative(checkout, resolve(event.name)) : `${file}${event.name}`;
}

function crashOf(error: unknown, said: string): unknown {
  const failed = error instanceof Error && Reflect.get(error, "exitCode") !== undefined;
  return failed ? `${error.message}\n${said}` : error;
}

function isOfChild(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "failureType") === "subtestsFailed";
}

function errorText(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return String(cause);
  const lines = (cause.stack ?? cause.message).split("\n");
  return lines.filter((line) => !/^\s+at .*\(?node:internal/.test(line)).join("\n");
}
