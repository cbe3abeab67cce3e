// What several users ask of one cluster at once, and what each is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { busyText, waitText } from "../../clouds/cluster-record.ts";
import { SkyError } from "../../model/errors.ts";
import { launched, never, request, type Stage, stage, watched } from "./fleet-stage.ts";

const down = { user: "bob", purge: false };
const start = { command: "sky start", user: "bob", force: false };

/** A launch that takes as long as the test likes: its machines do not come up. */
const slow = { listsUntilUp: 1_000_000 };

function launchBy(made: Stage, user: string, change: Parameters<typeof request>[0] = {}) {
  return watched(made.fleets().launch(request({ user, ...change }), never));
}

/** A cluster whose jobs do not end before `let` is called. */
async function closing(): Promise<{ readonly made: Stage; readonly release: () => void }> {
  const held = Promise.withResolvers<void>();
  const made = await launched({ closeHead: () => held.promise });
  return { made, release: () => held.resolve() };
}

test("what a cluster is busy with, and for whom, is on record while it lasts", async () => {
  const { made, release } = await closing();
  assert.equal(made.record().busy, undefined, "nothing is under way");
  void made.fleets().stop("demo", "bob", never);
  await made.pass(1_000);
  const { busy } = made.record();
  assert.equal(busy && busyText(busy), "stop by bob");
  assert.equal(
    busy && waitText(busy, busy.since + 12_300),
    "waiting for the stop by bob (since 12 s)",
  );
  release();
  await made.pass(3_000);
  assert.equal(made.record().busy, undefined);
  void made.fleets().start("demo", start, never);
  await made.pass(0);
  assert.equal(busyText(made.record().busy ?? { verb: "down", user: "" }), "start by bob");
});

test("what ends by itself is busy with that", async () => {
  const { made } = await closing();
  made.fleets().windDown("demo", "down", "it was idle");
  await made.pass(1_000);
  const { busy } = made.record();
  assert.equal(busy && busyText(busy), "autodown");
});

test("a launch of the same shape joins one that is under way", async () => {
  const made = await stage({ listsUntilUp: 20 });
  const first = launchBy(made, "ada");
  await made.pass(500);
  const second = launchBy(made, "bob", { token: "another" });
  await made.pass(20_000);
  for (const told of [first, second]) {
    assert.equal(typeof told.outcome(), "object", String(told.outcome()));
  }
  assert.equal(made.cloud.machines().length, 2);
  assert.equal(made.record().user, "ada", "the owner stays who launched it first");
});

test("a launch of another shape is refused at once, and the first goes on", async () => {
  const made = await stage(slow);
  const first = launchBy(made, "ada");
  await made.pass(500);
  const other = launchBy(made, "bob", { numNodes: 3 });
  await made.pass(500);
  assert.match(String(other.outcome()), /Requested 3 nodes; cluster 'demo' has 2 nodes/);
  assert.equal(first.outcome(), undefined);
});

test("a launch that has failed has a deadline again when it is asked for", async () => {
  const made = await stage(slow);
  const first = launchBy(made, "ada");
  await made.pass(70_000);
  assert.match(String(first.outcome()), /demo did not start: 0 of 2 nodes are up/);
  assert.equal(made.record().busy, undefined);
  const again = watched(made.fleets().start("demo", start, never));
  await made.pass(70_000);
  assert.match(String(again.outcome()), /did not start/);
});

test("a down wins over a launch that is under way, which is told who took it down", async () => {
  const made = await stage(slow);
  const launch = launchBy(made, "ada");
  await made.pass(500);
  const gone = watched(made.fleets().down("demo", down, never));
  await made.pass(3_000);
  assert.equal(launch.outcome(), "Launch of cluster 'demo' ended early: it was taken down by bob.");
  assert.deepEqual(gone.outcome(), { logsArchive: "/logs", leftBehind: "", kept: [] });
  assert.deepEqual(made.cloud.machines(), []);
});

test("a stop wins over a start, and a down over a stop", async () => {
  const { made, release } = await closing();
  const stop = watched(made.fleets().stop("demo", "ada", never));
  await made.pass(500);
  const gone = watched(made.fleets().down("demo", down, never));
  await made.pass(500);
  assert.match(String(stop.outcome()), /^Stop of cluster .* it was taken down by bob\.$/);
  const late = watched(made.fleets().stop("demo", "ada", never));
  const lateStart = watched(made.fleets().start("demo", start, never));
  await made.pass(500);
  assert.match(String(late.outcome()), /^Stop of .* taken down by bob/);
  assert.match(String(lateStart.outcome()), /^Start of .* taken down by bob/);
  release();
  await made.pass(3_000);
  assert.equal(typeof gone.outcome(), "object");
});

test("an autodown that comes after a stop takes nothing away", async () => {
  const { made, release } = await closing();
  const stop = watched(made.fleets().stop("demo", "ada", never));
  await made.pass(500);
  made.fleets().windDown("demo", "down", "it was idle");
  await made.pass(500);
  assert.equal(stop.outcome(), undefined);
  release();
  await made.pass(3_000);
  made.fleets().windDown("demo", "down", "it was idle");
  await made.pass(3_000);
  assert.equal(made.record().status, "STOPPED");
});

test("two stops, and two downs, end together", async () => {
  for (const verb of ["stop", "down"] as const) {
    const { made, release } = await closing();
    const ask = () =>
      watched<unknown>(
        verb === "stop"
          ? made
              .fleets()
              .stop("demo", "ada", never)
              .then(() => "stopped")
          : made
              .fleets()
              .down("demo", down, never)
              .then(({ logsArchive }) => logsArchive),
      );
    const all = [ask(), ask()];
    await made.pass(500);
    release();
    await made.pass(3_000);
    const answer = verb === "stop" ? "stopped" : "/logs";
    assert.deepEqual(
      all.map(({ outcome }) => outcome()),
      [answer, answer],
    );
    assert.equal(made.asked.filter((what) => what === "clear").length, verb === "stop" ? 0 : 1);
  }
});

test("a start and a launch wait for a stop, and then bring the cluster up", async () => {
  const { made, release } = await closing();
  void made.fleets().stop("demo", "ada", never);
  await made.pass(500);
  const launch = launchBy(made, "carol");
  const other = launchBy(made, "carol", { numNodes: 4 });
  const begin = watched(made.fleets().start("demo", start, never));
  await made.pass(2_000);
  assert.match(String(other.outcome()), /Requested 4 nodes/);
  assert.deepEqual([launch.outcome(), begin.outcome()], [undefined, undefined]);
  release();
  await made.pass(3_000);
  assert.equal(typeof launch.outcome(), "object", String(launch.outcome()));
  assert.equal(typeof begin.outcome(), "object", String(begin.outcome()));
  assert.equal(made.record().status, "UP");
});

test("a launch waits for a down, and is then of a new cluster", async () => {
  const { made, release } = await closing();
  void made.fleets().down("demo", down, never);
  await made.pass(500);
  const launch = launchBy(made, "carol", { numNodes: 1, token: "new" });
  await made.pass(500);
  assert.equal(launch.outcome(), undefined);
  release();
  await made.pass(5_000);
  assert.equal(typeof launch.outcome(), "object", String(launch.outcome()));
  const { nodes, user, token } = made.record();
  assert.deepEqual([nodes.length, user, token], [1, "carol", "new"]);
  assert.equal(made.fleets().gone().length, 1, "and the other is in the books");
});

test("what waits for a stop gives way to what is asked for later", async () => {
  for (const verb of ["stop", "down"] as const) {
    const { made, release } = await closing();
    const first = watched(made.fleets().stop("demo", "ada", never));
    await made.pass(500);
    const launch = launchBy(made, "carol");
    const work: Promise<unknown> =
      verb === "stop"
        ? made.fleets().stop("demo", "bob", never)
        : made.fleets().down("demo", down, never);
    const later = watched(work);
    await made.pass(500);
    const done = verb === "stop" ? "stopped" : "taken down";
    assert.match(String(launch.outcome()), new RegExp(`^Launch of .* was ${done} by bob\\.$`));
    if (verb === "down") assert.match(String(first.outcome()), /taken down by bob/);
    release();
    await made.pass(5_000);
    assert.ok(typeof later.outcome() !== "string", String(later.outcome()));
    assert.equal(made.fleets().record("demo")?.status, verb === "stop" ? "STOPPED" : undefined);
  }
});

test("a launch on a stopped cluster starts it; another shape is refused", async () => {
  const made = await launched();
  void made.fleets().stop("demo", "ada", never);
  await made.pass(3_000);
  const machines = made.cloud.machines().map(({ id }) => id);
  const other = launchBy(made, "bob", { numNodes: 3 });
  const launch = launchBy(made, "bob", { numNodes: 1 });
  await made.pass(3_000);
  assert.match(String(other.outcome()), /cluster\/mismatch|Requested 3 nodes/);
  assert.equal(typeof launch.outcome(), "object");
  assert.deepEqual(
    made.cloud.machines().map(({ id }) => id),
    machines,
    "the same machines",
  );
  assert.equal(made.record().user, "ada");
});

test("start with force mends what does not run, and ends no job", async () => {
  const made = await launched();
  const [first] = made.cloud.machines();
  made.cloud.lose(first?.id ?? "");
  const plain = watched(made.fleets().start("demo", start, never));
  await made.pass(1_000);
  assert.equal(typeof plain.outcome(), "object");
  assert.equal(made.cloud.machines().length, 1, "without force it is up, and left alone");
  const forced = watched(made.fleets().start("demo", { ...start, force: true }, never));
  await made.pass(3_000);
  assert.equal(typeof forced.outcome(), "object", String(forced.outcome()));
  assert.equal(made.cloud.machines().length, 2);
  assert.equal(made.record().status, "UP");
  assert.ok(!made.asked.includes("close"));
});

test("a launch on a cluster that is up counts as activity, and as its last use", async () => {
  const made = await launched();
  const before = made.record().lastUsedAt ?? 0;
  await made.pass(5_000);
  const opens = made.asked.length;
  launchBy(made, "bob", { command: "sky launch again" });
  await made.pass(0);
  assert.deepEqual(made.asked.slice(opens), ["open"], "autostop's timer begins anew");
  assert.equal(made.record().command, "sky launch again");
  assert.ok((made.record().lastUsedAt ?? 0) >= before + 5_000);
});

test("each use is on record, at most once a second for the same command", async () => {
  const made = await launched();
  made.fleets().used("demo", "sky exec");
  await made.pass(500);
  const { command, lastUsedAt } = made.record();
  assert.equal(command, "sky exec");
  made.fleets().used("demo", "");
  await made.pass(0);
  assert.equal(made.record().lastUsedAt, lastUsedAt);
  await made.pass(2_000);
  made.fleets().used("demo", "");
  await made.pass(0);
  assert.ok((made.record().lastUsedAt ?? 0) >= (lastUsedAt ?? 0) + 2_000);
  assert.equal(made.record().command, "sky exec");
});

test("down without purge names what failed and keeps the record; it is tried again", async () => {
  let refuses = true;
  const made = await launched({
    fault: ({ verb }) =>
      verb === "terminate" && refuses
        ? new SkyError("process/failed", { what: "terminate", why: "denied" })
        : undefined,
  });
  const first = watched(made.fleets().down("demo", down, never));
  await made.pass(3_000);
  assert.match(String(first.outcome()), /demo did not stop: .*denied/);
  assert.equal(made.record().status, "STOPPING");
  refuses = false;
  const second = watched(made.fleets().down("demo", down, never));
  await made.pass(3_000);
  assert.deepEqual(second.outcome(), { logsArchive: "/logs", leftBehind: "", kept: [] });
});

test("with purge the record goes, its logs are kept, and what may be left is named", async () => {
  const made = await launched({
    fault: ({ verb }) =>
      verb === "terminate"
        ? new SkyError("process/failed", { what: "terminate", why: "denied" })
        : undefined,
  });
  const plain = watched(made.fleets().down("demo", down, never));
  await made.pass(3_000);
  assert.match(String(plain.outcome()), /denied/);
  const purged = watched(made.fleets().down("demo", { user: "ada", purge: true }, never));
  await made.pass(10_000);
  const outcome = purged.outcome();
  assert.ok(typeof outcome === "object", String(outcome));
  assert.equal(outcome.logsArchive, "/logs");
  assert.match(outcome.leftBehind, /^machines m-1, m-2 \(.*denied\)$/);
  assert.equal(made.fleets().record("demo"), undefined);
});

test("who waits for a down hears after a minute why it cannot be, and it is tried on", async () => {
  const away = new SkyError("head/unreachable", { why: "no route" });
  const made = await launched({ closeHead: () => Promise.reject(away) });
  const told = watched(made.fleets().down("demo", down, never));
  await made.pass(50_000);
  assert.equal(told.outcome(), undefined);
  await made.pass(15_000);
  assert.match(String(told.outcome()), /did not stop: .*no route; .*sky down --purge demo/);
  assert.equal(made.record().status, "STOPPING");
  const purged = watched(made.fleets().down("demo", { user: "ada", purge: true }, never));
  await made.pass(2_000);
  const outcome = purged.outcome();
  assert.ok(typeof outcome === "object", String(outcome));
  assert.match(outcome.leftBehind, /processes of its jobs/);
});

test("purge gives up on a cloud that is away and on a head that will not close", async () => {
  const away = new SkyError("head/unreachable", { why: "no network" });
  let isAway = false;
  const made = await launched({
    fault: () => (isAway ? away : undefined),
    closeHead: () => Promise.reject(new SkyError("process/failed", { what: "head", why: "stuck" })),
  });
  isAway = true;
  const purged = watched(made.fleets().down("demo", { user: "ada", purge: true }, never));
  await made.pass(60_000);
  const outcome = purged.outcome();
  assert.ok(typeof outcome === "object", String(outcome));
  assert.match(outcome.leftBehind, /processes of its jobs \(.*stuck.*\); machines \(.*no network/);
  assert.equal(made.fleets().record("demo"), undefined);
});

test("a purge goes on after a crash of the head", async () => {
  const made = await launched({
    fault: ({ verb }) =>
      verb === "terminate"
        ? new SkyError("process/failed", { what: "terminate", why: "denied" })
        : undefined,
    closeHead: () => (made.asked.length > 8 ? Promise.resolve() : new Promise(() => {})),
  });
  void made
    .fleets()
    .down("demo", { user: "ada", purge: true }, never)
    .catch(() => {
      // The head ends under it.
    });
  await made.pass(500);
  made.asked.push(..."........");
  await made.restart();
  await made.pass(10_000);
  assert.equal(made.fleets().record("demo"), undefined);
});
