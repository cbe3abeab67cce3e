// What cp, sync, transfers and profile print, to the letter: plans, pictures, JSON lines, outcomes,
// exit codes.
//
// The head behind the socket follows a script; where a terminal is shown, its lines are those of a
// shell that only takes them down.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { exitCodeOfError } from "../../client/cli/exit-codes.ts";
import { failureText } from "../../client/cli/message.ts";
import { SkyError } from "../../model/errors.ts";
import type { TransferEvent } from "../../model/transfer.ts";
import { transferHandlers } from "../../scheduler/api-transfers-grpc.ts";
import { assertGolden, transcriptStep } from "../support/golden.ts";
import {
  countsOf,
  planOf,
  type Script,
  scriptedTransfers,
  viewOf,
} from "../support/scripted-transfers.ts";
import { commandLine, stage as terminal } from "../unit/cli-stage.ts";
import { stage } from "../unit/client-stage.ts";

const checkout = resolve(import.meta.dirname, "../..");
const bucket = "s3://bucket/data";

const tree = planOf({
  ...{ solver: "multicast_ilp", source: "home/this-machine", stripes: 2 },
  destinations: ["aws:us-east-1", "gcp:us-central1"],
  sites: [
    { id: "home/this-machine", gateways: 1 },
    { id: "demo/head", gateways: 2 },
  ],
  edges: [
    {
      ...{ from: "home/this-machine", to: "demo/head", gbps: 0.9, connections: 32 },
      ...{ pricePerGb: 0, stripes: [0, 1] },
    },
    {
      ...{ from: "demo/head", to: "aws:us-east-1", gbps: 2.5, connections: 64 },
      ...{ pricePerGb: 0.02, stripes: [0] },
    },
    {
      ...{ from: "demo/head", to: "gcp:us-central1", gbps: 1.25, connections: 64 },
      ...{ pricePerGb: 0.09, stripes: [1] },
    },
    {
      ...{ from: "aws:us-east-1", to: "gcp:us-central1", gbps: 0.05, connections: 8 },
      ...{ pricePerGb: 0.09, stripes: [0] },
    },
  ],
  ...{ gbps: 0.9, pricePerGb: 0.2, cost: 1.4, seconds: 62 },
  notes: ["nobody measured aws:us-east-1 → gcp:us-central1: 0.05 Gbit/s is taken for it"],
});

const failure = {
  object: "/data/b\u001b[2J",
  ...{ destination: `${bucket}/b`, why: "access denied: AccessDenied" },
};

const progress = (doneBytes: number): TransferEvent => ({
  ...{ kind: "progress", counts: countsOf({ done: 1, doneBytes, movingBytes: 500 }) },
  ...{ bytesPerSecond: 112_400_000, secondsLeft: 13 },
  destinations: [{ done: 1, doneBytes }],
});

const arrived: readonly TransferEvent[] = [
  { kind: "state", view: viewOf({ status: "PENDING", why: "the source is listed" }) },
  { kind: "round", round: 1, why: "it begins" },
  { kind: "state", view: viewOf() },
  { kind: "object", object: "/data/a", destination: `${bucket}/a`, bytes: 1_000, digest: "ab12" },
  progress(1_000),
  {
    kind: "state",
    view: viewOf({
      ...{ status: "SUCCEEDED", startedAt: 2_000, endedAt: 4_000, why: "" },
      counts: countsOf({ done: 2, doneBytes: 3_000 }),
    }),
  },
];

const failedView = viewOf({
  ...{ status: "FAILED", startedAt: 2_000, endedAt: 4_000, plan: tree, cost: 0.7 },
  why: "1 object failed",
  counts: countsOf({ done: 1, doneBytes: 1_000, failed: 1, retries: 3, rounds: 2 }),
  failures: [failure],
});

const broken: readonly TransferEvent[] = [
  { kind: "state", view: viewOf() },
  { kind: "round", round: 2, why: "the gateway demo/head was lost" },
  { kind: "object-failed", failure },
  { kind: "state", view: failedView },
];

const preview = {
  plan: tree,
  ...{ objects: 8_123, bytes: 7_000_000_000, isPart: false, deletes: 0, failed: 0 },
  sample: [
    { from: "/data/a", to: `${bucket}/a`, bytes: 1_000 },
    { from: "/data/b", to: `${bucket}/b`, bytes: 2_000_000 },
  ],
  notes: ["1 socket is left out"],
};

type Test = Parameters<typeof stage>[0];

async function served(t: Test, script: Script) {
  const { transfers, asked } = scriptedTransfers(script);
  const handlers = transferHandlers({ transfers, store: {} as never });
  return { ...(await stage(t, { transfers: handlers })), asked };
}

/** Commands in this process, whose output nobody sees as it comes. */
async function printed(t: Test, script: Script, lines: readonly (readonly string[])[]) {
  const { head, asked } = await served(t, script);
  const steps: string[] = [];
  for (const args of lines) {
    const on = terminal({ head });
    const code = await commandLine(on.shell, args).catch((error: unknown) => {
      on.shell.say(failureText(error));
      return exitCodeOfError(error);
    });
    const said = on.said.length === 0 ? [] : ["stderr:", ...on.said];
    const output = [...on.printed, ...said, `exit ${code}`].join("\n");
    steps.push(transcriptStep(`sky ${args.join(" ")}`, output));
  }
  return { text: steps.join("\n"), asked };
}

/** `sky` in a process of its own, in a pipe. */
async function piped(t: Test, script: Script, lines: readonly (readonly string[])[]) {
  const { home, asked } = await served(t, script);
  const steps: string[] = [];
  for (const args of lines) steps.push(transcriptStep(`sky ${args.join(" ")}`, await run(args)));
  return { text: steps.join("\n"), asked };

  function run(args: readonly string[]): Promise<string> {
    const env = { PATH: process.env["PATH"], HOME: home, SKY_HOME: home, SKYPILOT_USER: "ann" };
    return new Promise((done) => {
      const sky = [join(checkout, "bin/sky.ts"), ...args];
      const child = execFile(process.execPath, sky, { env, cwd: "/" }, (_, stdout, stderr) => {
        const said = stderr === "" ? "" : `stderr:\n${stderr}`;
        done(`${stdout}${said}exit ${child.exitCode}`);
      });
    });
  }
}

test("in a pipe every line is an event, and the exit code is true", async (t) => {
  const script = { preview, events: [arrived, broken], views: [viewOf()] };
  const lines = [
    ["cp", "-r", "data", bucket],
    ["cp", "-r", "data", bucket, "-y", "-o", "text"],
  ];
  const { text, asked } = await piped(t, script, lines);
  assertGolden("cli/transfers-pipe.txt", text);
  assert.equal(asked.previews, 2);
  assert.deepEqual(
    asked.orders.map(({ source }) => source),
    [1, 2].map(() => ({ kind: "local", path: "/data" })),
  );
});

test("what cannot be done says so, and nothing is started", async (t) => {
  const over = { kind: "state", view: viewOf({ status: "SUCCEEDED" }) } as const;
  const { text, asked } = await printed(t, { preview, events: [[over]] }, [
    ["cp"],
    ["cp", "data"],
    ["cp", "ftp://x/y", "."],
    ["cp", "a", "b", "--part-size", "64M"],
    ["cp", "a", "b", "--bandwidth", "fast"],
    ["cp", "a", "b", "--solver", "best"],
    ["cp", "a", "b", "--endpoint", "minio:9000"],
    ["cp", "a", "b", "--source-endpoint", "https://id:secret@minio"],
    ["cp", "a", "b", "--profile", "nowhere.csv"],
    ["cp", "a", "b", "--max-cost", "1"],
    ["cp", "/a", bucket, "--max-cost", "1", "--dry-run"],
    ["cp", "/a", bucket, "--max-price", "0.1", "-o", "text"],
    ["cp", "a", "b", "-t", "1", "--max-price", "1"],
    ["cp", "a", "b", "--resume", "7"],
    ["cp", "--resume", "x"],
    ["transfers", "7", "8"],
    ["transfers", "7"],
    ["transfers", "cancel"],
    ["transfers", "--failures"],
    ["profile", "--seconds", "0"],
  ]);
  assertGolden("cli/transfers-misuse.txt", text);
  assert.deepEqual(asked.orders, []);
});

test("a source that cannot be read starts nothing", async (t) => {
  const denied = new SkyError("objects/denied", { object: "s3://b", why: "AccessDenied" });
  const { text, asked } = await printed(t, { preview: denied }, [["cp", "s3://b/x", "."]]);
  assertGolden("cli/transfers-denied.txt", text);
  assert.deepEqual(asked.orders, []);
});

test("a dry run, a list, one with its failures, a grid: for people and for programs", async (t) => {
  const links = [
    { from: "home/this-machine", to: "demo/head", gbps: 0.9, measuredAt: 1_000 },
    { from: "demo/head", to: "home/this-machine", gbps: 1.25, measuredAt: 2_000 },
  ];
  const views = [failedView, viewOf({ id: 6, status: "SUCCEEDED", endedAt: 4_000 })];
  const { text, asked } = await printed(t, { preview, views, links, failures: [failure] }, [
    ["cp", "-r", "/data", bucket, "gs://mirror/data", "--dry-run"],
    ["cp", "-r", "/data", bucket, "--dry-run", "-o", "json"],
    ["transfers", "-a"],
    ["transfers", "7"],
    ["transfers", "7", "--failures"],
    ["transfers", "cancel", "6"],
    ["profile", "demo", "--seconds", "1"],
    ["profile", "-o", "csv"],
  ]);
  assertGolden("cli/transfers.txt", text.replace(/\d+ (days|hrs?) ago/g, "long ago"));
  assert.deepEqual([asked.orders, asked.cancelled], [[], []]);
  assert.deepEqual(asked.profiled, [{ clusters: ["demo"], seconds: 1 }, { seconds: 3 }]);
});

test("on a terminal the plan comes first, then the question, then the bar", async (t) => {
  const script = { preview, events: [arrived, broken], views: [viewOf()] };
  const { head, asked } = await served(t, script);
  const steps: string[] = [];
  for (const answer of [true, false]) {
    const on = terminal({ head, answer, terminal: true });
    const args = ["cp", "-r", "/data", bucket];
    const code = await commandLine(on.shell, args).catch((error: Error) => error.message);
    const all = [
      ...on.said.map((line) => `err ${line}`),
      ...on.asked.map((line) => `ask ${line}`),
      ...on.progress.map((line) => `bar ${line}`),
      ...on.printed.map((line) => `out ${line}`),
    ];
    steps.push(transcriptStep(`sky ${args.join(" ")}`, [...all, `exit ${code}`].join("\n")));
  }
  assertGolden("cli/transfers-terminal.txt", steps.join("\n"));
  assert.equal(asked.orders.length, 1, "a no starts nothing");
});
