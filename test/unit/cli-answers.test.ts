// What commands print that are asked for one thing, and what they add to an error.

import assert from "node:assert/strict";
import { test } from "node:test";
import { debug } from "../../client/cli/debug.ts";
import { exec } from "../../client/cli/exec.ts";
import { exitCodeOfError, WrongUse } from "../../client/cli/exit-codes.ts";
import { failureText } from "../../client/cli/message.ts";
import { status } from "../../client/cli/status.ts";
import { stop } from "../../client/cli/stop.ts";
import type { ClusterStatus } from "../../model/cluster.ts";
import { SkyError } from "../../model/errors.ts";
import { clusterOf, stage } from "./cli-stage.ts";

const json = { output: "json" };

test("an address is JSON where JSON is asked for", async () => {
  const head = { status: async () => [clusterOf()] };
  const ask = async (name: string, flags: object): Promise<readonly string[]> => {
    const { shell, printed } = stage({ head });
    assert.equal(await status.run(shell, { args: [[name]], flags: { ip: true, ...flags } }), 0);
    return printed;
  };
  assert.deepEqual(await ask("demo", {}), ["127.1.0.1"]);
  const [text = ""] = await ask("demo", json);
  assert.deepEqual(JSON.parse(text), { name: "demo", ip: "127.1.0.1" });
  assert.deepEqual(await ask("x*", json), ["null"]);
  assert.deepEqual(await ask("x*", {}), []);
});

test("what has a format of its own refuses another", async () => {
  for (const what of ["metrics", "export"]) {
    const asked = debug.run(stage({ head: {} }).shell, { args: [what], flags: json });
    await assert.rejects(asked, (error: unknown) => {
      return error instanceof WrongUse && error.message.includes(what);
    });
  }
});

test("of a cluster that is not up it is told how to bring it up", async () => {
  const refusal = (state: ClusterStatus): SkyError =>
    new SkyError("cluster/not-up", { what: "Submit", name: "demo", status: state });
  assert.match(failureText(refusal("STOPPED")), /\nTo bring it up: {2}sky start demo$/);
  for (const state of ["INIT", "STOPPING"] as const) {
    assert.match(
      failureText(refusal(state)),
      /\nWait until `sky status demo` says UP; .* sky start demo$/,
    );
  }
  assert.doesNotMatch(failureText(new SkyError("head/unreachable", { why: "x" })), /sky start/);
  const head = {
    status: async () => [clusterOf()],
    submit: () => Promise.reject(refusal("STOPPED")),
    stop: () => Promise.reject(refusal("INIT")),
  };
  const said = await exec
    .run(stage({ head }).shell, { args: ["demo", ["true"]], flags: {} })
    .catch(failureText);
  assert.match(String(said), /sky start demo$/);
  const group = stage({ head });
  assert.equal(await stop.run(group.shell, { args: [["demo"]], flags: {} }), 1);
  assert.match(group.said.join(), /sky start demo$/);
  assert.equal(exitCodeOfError(refusal("STOPPED")), 1);
});
