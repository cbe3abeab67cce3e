// A shell on a node by hand: what is said before it opens and after it is left.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { attach } from "../../client/cli/attach.ts";
import type { ClusterView } from "../../model/cluster.ts";
import { homeAt } from "../../model/home.ts";
import { clusterOf, stage } from "./cli-stage.ts";

/** What is said around a shell, on a cluster that the head shows so before and so after it. */
async function saidAround(
  before: readonly ClusterView[] | Error,
  after: readonly ClusterView[] | Error,
): Promise<{ readonly before: string; readonly after: string }> {
  const root = mkdtempSync(join(tmpdir(), "sky-attach-"));
  try {
    const home = homeAt(root);
    mkdirSync(home.cluster("demo").node("head").home, { recursive: true });
    let seen = before;
    const status = async (): Promise<readonly ClusterView[]> => {
      if (seen instanceof Error) throw seen;
      return seen;
    };
    const { shell, said } = stage({ head: { status }, answer: true });
    let saidBefore = 0;
    let progress: string | undefined = "2 of 3 nodes are up";
    const open = async (): Promise<void> => {
      saidBefore = said.length;
      assert.equal(progress, undefined, "the line of progress is gone");
      seen = after;
    };
    const shown = (text: string | undefined): void => {
      progress = text;
    };
    const code = await attach({ ...shell, home, progress: shown }, clusterOf(), {
      kind: "cpunode",
      open,
    });
    assert.equal(code, 0);
    return {
      before: said.slice(0, saidBefore).join("\n"),
      after: said.slice(saidBefore).join("\n"),
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("the farewell is of the cluster as it is by then", async () => {
  const up = [clusterOf()];
  const again = /To attach to it again: +sky cpunode -c demo/;
  assert.match((await saidAround(up, up)).after, again);
  assert.match((await saidAround(up, new Error("no head"))).after, again);
  const gone = await saidAround(up, [clusterOf({ name: "other" })]);
  assert.match(gone.after, /Cluster demo is gone/);
  assert.doesNotMatch(gone.after, /attach|sky stop|sky down/);
  const stopped = await saidAround(up, [clusterOf({ status: "STOPPED" })]);
  assert.match(stopped.after, /not up any more \(status: STOPPED\)/);
  assert.doesNotMatch(stopped.after, /attach|sky stop/);
});

test("an open shell does not hold an autostop, and that is said before it opens", async () => {
  const up = [clusterOf()];
  const armed = (verb: "stop" | "down") => [
    clusterOf({ autostop: { idleMs: 600_000, verb, verdict: "" } }),
  ];
  const stops = await saidAround(armed("stop"), up);
  assert.match(stops.before, /^Autostop: demo stops after 10m without a job; an open shell does/);
  assert.match((await saidAround(armed("down"), up)).before, /demo is taken down after 10m/);
  for (const plain of [up, new Error("no head")]) {
    assert.match((await saidAround(plain, up)).before, /^Opening a shell on demo/);
  }
});
