// `sky logs`: follow a job's log, ask for its status, or fetch the files.
//
// A follow is of one job; statuses, files and what there is so far are also of several.
// Exits with the job's outcome; a job that goes on when we stop looking has not finished.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import { demandFound, isOneJob, type JobWords, jobsMeant } from "../jobs-meant.ts";
import { archiveHint } from "./archives.ts";
import { nodesOf } from "./cluster-nodes.ts";
import { type CliCommand, configFlag } from "./command.ts";
import { type ExitCode, exitCodeOfJob, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, numberFlag, type Parsed, textFlag, textsFlag, wordAt, wordsAt } from "./flags.ts";
import { followJob } from "./follow.ts";
import { demandRanks, jobWordsOf, unmatchedText } from "./job-ids.ts";
import type { Shell } from "./shell.ts";
import { syncDown } from "./sync-down.ts";

export const logs: CliCommand = {
  name: "logs",
  args: "<CLUSTER> [JOB_IDS...]",
  about: "Follow a job's log (the latest job's without an id); exits with the job's outcome.",
  examples: [
    "sky logs demo",
    "sky logs demo 3 --no-follow --tail 100",
    "sky logs demo 3 --rank 0 --rank 2",
    "sky logs demo 3 4 --status",
    "sky logs demo '1*' --sync-down",
  ],
  flags: [
    { usage: "-s, --sync-down", about: "Fetch the logs of jobs (ids or globs) into files." },
    { usage: "--local-dir <DIR>", about: "Where --sync-down puts them. Default: SKY_HOME/logs." },
    {
      usage: "--status",
      about: "Print the status of jobs; exit 0 only if all SUCCEEDED (a glob may match none).",
    },
    { usage: "--follow", about: "Go on until the job has ended. The default." },
    { usage: "--no-follow", about: "Print what there is, also of several jobs." },
    {
      usage: "--tail <N>",
      about: "Begin N lines before the end of each log. Default 0: all of it.",
    },
    { usage: "--rank <N>", about: "Only the run of this rank. Repeatable.", repeated: true },
    { usage: "-p, --provision", about: "How the cluster came up.", hidden: true },
    configFlag,
  ],
  run: async (shell, parsed) => {
    const request = requestOf(parsed);
    try {
      return await answer(shell, request, parsed);
    } catch (error) {
      throw withArchive(shell, request.cluster, error);
    }
  },
};

interface LogsRequest {
  readonly cluster: string;
  readonly words: JobWords;
  readonly ranks: readonly number[];
  readonly tailLines: number;
  readonly follow: boolean;
}

/** @throws WrongUse before anybody is asked. */
function requestOf(parsed: Parsed): LogsRequest {
  demandOneUse(parsed);
  const words = jobWordsOf(wordsAt(parsed, 1));
  const follow = parsed.flags["follow"] !== false;
  const tailLines = numberFlag(parsed, "tail", { flag: "--tail", least: 0, whole: true }) ?? 0;
  const ranks = textsFlag(parsed, "rank").map(rankOf);
  if (!isSet(parsed, "status") && !isSet(parsed, "syncDown") && follow && words.ids.length > 1) {
    throw severalFollowed(words.ids);
  }
  return { cluster: wordAt(parsed, 0) ?? "", words, ranks: [...new Set(ranks)], tailLines, follow };
}

const uses = [
  { name: "status", flag: "--status" },
  { name: "syncDown", flag: "--sync-down" },
  { name: "provision", flag: "--provision" },
] as const;

/** What goes with what: a flag that would have no effect is a misunderstanding. */
function demandOneUse(parsed: Parsed): void {
  const [first, second] = uses.filter(({ name }) => isSet(parsed, name));
  if (first !== undefined && second !== undefined) {
    throw new WrongUse(`${second.flag} and ${first.flag} exclude each other`);
  }
  if (first?.name === "provision") {
    const cluster = wordAt(parsed, 0) ?? "";
    throw new WrongUse(`--provision: how a cluster came up is told by \`sky why ${cluster}\``);
  }
  const given = (name: string): boolean => parsed.flags[name] !== undefined;
  if (first !== undefined && given("tail")) {
    throw new WrongUse(`${first.flag} and --tail exclude each other: it is for reading a log`);
  }
  if (first?.name === "status" && given("rank")) {
    throw new WrongUse("--status and --rank exclude each other: a status is the whole job's");
  }
  if (first?.name !== "syncDown" && given("localDir")) {
    throw new WrongUse("--local-dir says where --sync-down puts the logs: pass both");
  }
}

function rankOf(text: string): number {
  const rank = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(rank)) return rank;
  throw new WrongUse(`--rank should be the number of a rank, from 0 on, not '${text}'`);
}

function severalFollowed(ids: readonly number[]): WrongUse {
  const which = `jobs ${ids.join(", ")} cannot be followed at once`;
  return new WrongUse(
    `${which}: --no-follow prints one after the other, --sync-down fetches their logs`,
  );
}

async function answer(shell: Shell, request: LogsRequest, parsed: Parsed): Promise<ExitCode> {
  const { cluster, words, ranks } = request;
  if (isSet(parsed, "status")) return printStatus(shell, cluster, words);
  if (isSet(parsed, "syncDown")) {
    const dir = textFlag(parsed, "localDir");
    return syncDown(shell, { cluster, words, ranks, ...(dir === undefined ? {} : { dir }) });
  }
  return show(shell, request);
}

async function show(shell: Shell, request: LogsRequest): Promise<ExitCode> {
  const { words, follow, ranks, ...rest } = request;
  const { cluster } = request;
  const head = await shell.head();
  const clusterNodes = await nodesOf(shell, head, cluster);
  const one = { ...rest, follow, ranks, clusterNodes };
  if (isOneJob(words)) return followJob(shell, { ...one, job: words.ids[0] ?? 0 });
  const found = await jobsMeant({ head, cluster, words, signal: shell.interrupt });
  demandFound(cluster, found);
  demandRanks(found.jobs, ranks);
  const { jobs } = found;
  for (const line of unmatchedText(found)) shell.say(line);
  if (follow && jobs.length > 1) throw severalFollowed(jobs.map(({ id }) => id));
  const codes: ExitCode[] = [];
  for (const { id } of jobs) {
    if (jobs.length > 1) shell.say(`Job ${id}:`);
    codes.push(await followJob(shell, { ...one, job: id }));
    // Ctrl-C is meant for all of them.
    if (codes.at(-1) === exitCodes.interrupted) return exitCodes.interrupted;
  }
  return codeOf(codes);
}

async function printStatus(shell: Shell, cluster: string, words: JobWords): Promise<ExitCode> {
  const head = await shell.head();
  const signal = shell.interrupt;
  const print = ({ id, status }: Job): ExitCode => {
    shell.print(`Job ${id}: ${status}`);
    return exitCodeOfJob(status);
  };
  if (isOneJob(words)) return print(await head.getJob({ cluster, job: words.ids[0] ?? 0 }, signal));
  const found = await jobsMeant({ head, cluster, words, signal });
  const { jobs, missing } = found;
  const codes = jobs.map(print);
  for (const id of missing) shell.say(`Job ${id} not found on cluster '${cluster}'.`);
  if (missing.length === 0) for (const line of unmatchedText(found)) shell.say(line);
  return codeOf([...codes, ...missing.map(() => exitCodes.jobNotFound)]);
}

/** The outcome of the only one; of several 0 only if all succeeded, else 1. */
function codeOf(codes: readonly ExitCode[]): ExitCode {
  const [only] = codes;
  if (codes.length === 1 && only !== undefined) return only;
  return codes.every((code) => code === exitCodes.done) ? exitCodes.done : exitCodes.refused;
}

/** A cluster that is gone has left its logs. */
function withArchive(shell: Shell, cluster: string, error: unknown): unknown {
  if (!isSkyError(error, "cluster/not-found")) return error;
  const hint = archiveHint(shell.home, cluster);
  if (hint === "") return error;
  return new SkyError("cluster/not-found", { name: `'${cluster}'`, hint }, { cause: error });
}
