// Runs one layer of the tests and counts, for `npm test` and `npm run check`.
//
// Files run in processes of their own through Node's test runner, whose events are read here: the
// names that ran, what failed and why. A file that neither ends nor fails in time is ended by the
// runner. What must always hold: a file that crashes before its first test counts as a failure.

import { readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { EventData } from "node:test";
import { run } from "node:test";

export const checkout = resolve(import.meta.dirname, "..");

/** SKY_TEST_VERBOSE=1 shows what the tests themselves print. */
const verbose = Boolean(process.env["SKY_TEST_VERBOSE"]);

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
}

/** The test files of a folder whose name matches. */
export function testFiles(folder: string, pattern = /\.test\.ts$/): readonly string[] {
  return readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
    .sort();
}

export async function runLayer(layer: Layer): Promise<LayerResult> {
  const startedAt = performance.now();
  const ran = new Set<string>();
  const failures: string[] = [];
  const skips: string[] = [];
  let passed = 0;
  Object.assign(process.env, layer.env);

  const take = (event: EventData.TestPass | EventData.TestFail, error?: unknown): void => {
    const name = nameOf(event);
    if (event.details.type === "suite" && error === undefined) return;
    if (event.skip !== undefined && event.skip !== false) {
      skips.push(`${name}: ${event.skip === true ? "without a reason" : event.skip}`);
      return;
    }
    ran.add(name);
    if (error === undefined) passed += 1;
    // A parent fails because a child did: the child is reported already.
    else if (!isOfChild(error)) failures.push(`${name}\n${errorText(error)}`);
  };

  if (layer.files.length > 0) {
    const events = run({
      files: layer.files.map((file) => join(checkout, file)),
      concurrency: layer.concurrency ?? 2,
      timeout: layer.fileTimeoutMs ?? 120_000,
    });
    for await (const { type, data } of events) {
      if (type === "test:pass") take(data);
      if (type === "test:fail") take(data, data.details.error);
      if (type === "test:stderr" && verbose) process.stderr.write(data.message);
    }
  }
  const ms = performance.now() - startedAt;
  const { name } = layer;
  return { name, passed, failed: failures.length, skipped: skips.length, ms, ran, failures, skips };
}

/** One line: `unit          312 passed   0 failed   0 skipped    4.1 s`. */
export function summaryLine(result: LayerResult): string {
  const { name, passed, failed, skipped, ms } = result;
  const counts = [`${passed} passed`, `${failed} failed`, `${skipped} skipped`]
    .map((text) => text.padStart(13))
    .join("");
  return `${name.padEnd(24)}${counts}${`${(ms / 1000).toFixed(1)} s`.padStart(10)}`;
}

/** The failures and skips of a layer, as text. Empty when there are none. */
export function detailsOf(result: LayerResult): string {
  const failures = result.failures.map((text) => `\nFAILED  ${text}\n`);
  const skips = result.skips.map((text) => `skipped ${text}\n`);
  return [...failures, ...skips].join("");
}

function nameOf(event: EventData.TestPass | EventData.TestFail): string {
  const file = event.file === undefined ? "" : `${relative(checkout, event.file)}: `;
  const isFile = event.file === undefined || resolve(event.name) === event.file;
  return isFile ? relative(checkout, resolve(event.name)) : `${file}${event.name}`;
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
