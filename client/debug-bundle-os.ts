// `sky debug export` and the SDK's `exportDebug`: what somebody who looks into a bug needs, in one
// file, without secrets.
//
// It starts no head: what is wrong may be that none starts. A part that cannot be had says why, and
// the others are there. Everything passes the redactor as one value, just before it is written:
// whatever is added to the bundle is covered. No contents of users' files, no logs of ranks and no
// values of environments are read in the first place.

import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { errorText } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { packageVersion } from "../runtime/version-os.ts";
import { unknownCluster } from "./cluster-name.ts";
import { answerOf, runningHead, tailOf } from "./doctor-head-os.ts";
import { entriesIn, readConfigOf } from "./doctor-home-os.ts";
import { diagnose } from "./doctor-os.ts";
import type { Head } from "./head.ts";
import { redactor } from "./redaction.ts";
import { secretsOf } from "./secrets-os.ts";

const partMs = 30_000;
const jobsMax = 200;
const chainsMax = 50;
const entriesMax = 5_000;

export interface BundleOptions {
  readonly home: Home;
  readonly nowMs: number;
  readonly signal: AbortSignal;
  /** All of them, unless one is named. */
  readonly cluster?: string;
  /** Default: a name with the time, in the working directory. */
  readonly to?: string;
}

/** Writes the bundle and gives its path. @throws SkyError `cluster/not-found`. */
export async function exportBundle(options: BundleOptions): Promise<string> {
  const now = new Date(options.nowMs);
  const stamp = now
    .toISOString()
    .replace(/[-:]|\..*/g, "")
    .replace("T", "-");
  const path = resolve(options.to ?? `sky-debug-${stamp}.json.gz`);
  // Those of a job are removed when it ends: asked for before and after.
  const before = secretsOf(options.home);
  const head = await runningHead(options.home);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(partMs)]);
  const answer = await answerOf(head);
  const asked = answer.kind === "version" ? head : undefined;
  const names = asked === undefined ? [] : await clustersMeant(asked, options.cluster, signal);
  const silence = head === undefined ? "no head runs" : "the head does not answer";
  const wanted = { home: options.home, head, asked, silence, names, signal };
  const bundle = { madeAt: now.toISOString(), ...(await partsOf(wanted)) };
  head?.close();
  const redact = redactor(before.union(secretsOf(options.home)));
  const text = JSON.stringify(redact(bundle), undefined, 1);
  // A file that is there already is somebody's: it is not written over.
  writeFileSync(path, gzipSync(text), { mode: 0o600, flag: "wx" });
  return path;
}

/** A name that nobody knows is wrong use. */
async function clustersMeant(
  head: Head,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const known = (await head.status([], signal)).map(({ name }) => name);
  if (wanted === undefined) return known;
  if (!known.includes(wanted)) throw unknownCluster(wanted, known);
  return [wanted];
}

interface Wanted {
  readonly home: Home;
  /** If one runs; `asked` if it answers, else `silence` stands in for its answers. */
  readonly head: Head | undefined;
  readonly asked: Head | undefined;
  readonly silence: string;
  readonly names: readonly string[];
  readonly signal: AbortSignal;
}

async function partsOf(wanted: Wanted): Promise<object> {
  const { home, names, signal } = wanted;
  const [only] = names;
  const cluster = names.length === 1 && only !== undefined ? { cluster: only } : {};
  const asked = async (ask: (head: Head) => Promise<unknown>): Promise<unknown> => {
    const { asked: head, silence } = wanted;
    return head === undefined ? silence : part(() => ask(head));
  };
  const clusters = names.map(async (name) => [name, await clusterPart(asked, name, signal)]);
  return {
    versions: await part(async () => ({
      ...{ sky: packageVersion(), node: process.versions.node },
      ...{ platform: process.platform, architecture: process.arch, kernel: release() },
      head: await asked((to) => to.version(signal)),
    })),
    config: await part(() => readConfigOf(home)),
    /** Names only: which of them are set may be the answer. */
    settings: Object.keys(process.env).filter((name) => /^(SKY|NODE_|SQLITE)/.test(name)),
    doctor: await part(() => diagnose({ home, head: wanted.head, ...cluster, signal })),
    clusters: Object.fromEntries(await Promise.all(clusters)),
    inspect: await asked(async (to) => JSON.parse(await to.inspect(cluster.cluster, signal))),
    headLog: await part(async () => tailOf(home.headLog).map(lineOf)),
    files: await part(async () => filesOf(home)),
  };
}

type Asked = (ask: (head: Head) => Promise<unknown>) => Promise<unknown>;

async function clusterPart(asked: Asked, name: string, signal: AbortSignal): Promise<unknown> {
  return asked(async (head) => {
    const [status] = await head.status([name], signal);
    const newest = { cluster: name, skipFinished: false, countMax: jobsMax };
    const jobs = await head.listJobs(newest, signal);
    const chains: unknown[] = [];
    for (const { id } of jobs.slice(0, chainsMax)) {
      chains.push(await part(() => head.why({ cluster: name, job: id }, signal)));
    }
    return { status, why: await head.why({ cluster: name, job: 0 }, signal), jobs, chains };
  });
}

/** What it gives, or why it cannot. */
async function part(make: () => Promise<unknown>): Promise<unknown> {
  try {
    return await make();
  } catch (error) {
    return { failed: errorText(error) };
  }
}

/** A line of the log as data, so that its fields are redacted by their names. */
function lineOf(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return value;
  } catch {
    return line;
  }
}

function filesOf(home: Home): object {
  const entries = entriesIn(home.root);
  const lines = entries.slice(0, entriesMax).map(({ path, mode, bytes, isFolder }) => {
    const size = isFolder ? "folder" : String(bytes);
    return `${mode.toString(8).padStart(4, "0")} ${size} ${path === "" ? "." : path}`;
  });
  return { count: entries.length, lines };
}
