// Logs, byte for byte: what a rank says it wrote, the file on its node, what followers got.
// Imports nothing of ours.
//
// The file on the node is the truth of a follower: the same bytes, all of them. What the rank wrote
// is the truth of that file: it may lack only the line that was being written when the rank was
// killed, or, where the writer of the log or its shim was struck, the end that never arrived.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mayBeCut } from "./audit-truth.ts";
import type { Facts, Printed } from "./evidence.ts";
import { jobLabel } from "./evidence.ts";

/** The longest line that a rank writes. */
const lineBytesMax = 64;

export function bytesOf(facts: Facts): readonly string[] {
  const found: string[] = [];
  const ended = facts.lines.flatMap(({ word, key }) => (word === "end" ? [key] : []));
  const names = [facts.written, facts.onNode, facts.followed].flatMap((dir) => readdirSync(dir));
  for (const key of new Set([...names, ...ended])) {
    found.push(...onNodeAsWritten(facts, key));
    const job = key.split("-").slice(0, 2).join("-");
    if (facts.following.has(job)) found.push(...followedAsOnNode(facts, key));
  }
  return [...found, ...lengths(facts)];
}

function onNodeAsWritten(facts: Facts, key: string): readonly string[] {
  const written = contentOf(`${facts.written}/${key}`);
  const path = `${facts.onNode}/${key}`;
  // A rank may be killed before it links its log; then its follower's bytes stand for it.
  const onNode = contentOf(existsSync(path) ? path : `${facts.followed}/${key}`);
  if (!existsSync(path) && !existsSync(`${facts.followed}/${key}`)) return [];
  const missing = written.length - onNode.length;
  const struck = facts.killed(key, ["keeper", "logger"]);
  const spare = struck ? missing : facts.said(key, "end") === undefined ? lineBytesMax : 0;
  if (!written.subarray(0, onNode.length).equals(onNode)) {
    return [
      `${key}: on the node are other bytes than were written, ${difference(onNode, written)}`,
    ];
  }
  if (missing <= spare) return [];
  return [`${key}: on the node are ${onNode.length} of ${written.length} bytes`];
}

function followedAsOnNode(facts: Facts, key: string): readonly string[] {
  const path = `${facts.onNode}/${key}`;
  if (!existsSync(path)) return [];
  return compared(facts, { key, got: contentOf(`${facts.followed}/${key}`), what: "followed" });
}

interface Got {
  readonly key: string;
  readonly got: Buffer;
  readonly what: string;
}

function compared(facts: Facts, { key, got, what }: Got): readonly string[] {
  const truth = contentOf(`${facts.onNode}/${key}`);
  if (!truth.subarray(0, got.length).equals(got)) {
    return [`${key}: ${what} other bytes than are on the node, ${difference(got, truth)}`];
  }
  if (got.length === truth.length || mayBeCut(facts, key)) return [];
  return [`${key}: ${what} ${got.length} of ${truth.length} bytes`];
}

function difference(got: Buffer, truth: Buffer): string {
  const at = got.findIndex((byte, index) => byte !== truth[index]);
  const excerpt = (from: Buffer) => JSON.stringify(from.toString("latin1", at, at + 60));
  return `at ${at}: ${excerpt(got)} for ${excerpt(truth)}`;
}

/** The length on record is what was followed. */
function lengths({ jobs, followed, following }: Facts): readonly string[] {
  return jobs.flatMap((job) => {
    if (!following.has(jobLabel(job))) return [];
    return job.ranks.flatMap(({ rank, logBytes }) => {
      const name = `${jobLabel(job)}-${job.attempt}-run-${rank}`;
      const { length } = contentOf(`${followed}/${name}`);
      if (logBytes === undefined || logBytes === length) return [];
      return [`${name}: ${logBytes} bytes on record, ${length} followed`];
    });
  });
}

const exitCodes: Readonly<Record<string, number>> = {
  ...{ SUCCEEDED: 0, FAILED: 100, FAILED_SETUP: 100, CANCELLED: 103 },
};

/** What `sky logs` printed: the exit code of its job, and each rank's lines behind prefixes. */
export function printedOf(facts: Facts): readonly string[] {
  return facts.printed.flatMap((one) => {
    const job = facts.jobs.find((seen) => jobLabel(seen) === jobLabel(one));
    const label = one.path.split("/").at(-1);
    const wanted = exitCodes[job?.status ?? ""];
    const { ranks, odd } = linesOf(one);
    const codes =
      one.code === wanted ? [] : [`sky logs of ${label} ended with ${one.code}, not ${wanted}`];
    const strange = odd.map((line) => `sky logs of ${label} printed ${JSON.stringify(line)}`);
    const keys = (job?.ranks ?? []).map(
      ({ rank }) => `${jobLabel(one)}-${job?.attempt}-run-${rank}`,
    );
    const different = keys.flatMap((key, rank) =>
      compared(facts, { key, got: Buffer.from(ranks.get(rank) ?? "", "latin1"), what: "printed" }),
    );
    return [...codes, ...strange, ...different];
  });
}

/** The lines of each rank without their prefixes, and whatever has none. */
function linesOf({ path }: Printed) {
  const ranks = new Map<number, string>();
  const odd: string[] = [];
  const lines = contentOf(path).toString("latin1").split("\n");
  for (const line of lines.slice(0, -1)) {
    const [whole, rank] = /^\(\w+, rank=(\d+), pid=\d+(?:, ip=[\d.]+)?\) /.exec(line) ?? [];
    if (whole === undefined) {
      if (!/^Job finished \(status: \w+\)\.$/.test(line)) odd.push(line);
      continue;
    }
    const index = Number(rank);
    ranks.set(index, `${ranks.get(index) ?? ""}${line.slice(whole.length)}\n`);
  }
  return { ranks, odd };
}

function contentOf(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}
