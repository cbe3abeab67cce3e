// What is recorded: a life of a cluster in which everything happens that leaves records. A gang, a
// setup, a failure, cancels, secrets, a lost node with a restart, a head that is killed, autostop.

import type { Line } from "../../scheduler/history.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";
import { recorder } from "./history.ts";

export function life(): readonly Line[] {
  const lines: Line[] = [];
  const nodes = nodesOf([capacity(2, 1), capacity(2, 1), capacity(2), capacity(2)]);
  const world = new World({ nodes, scheduler: recorder(lines) }).join();
  jobsThatEnd(world);
  jobsThatAreStopped(world);
  nodesThatAreLost(world);
  headsThatAreKilled(world);
  restToTheEnd(world);
  return lines;
}

function endAll(world: World): void {
  for (let round = 0; round < 20 && world.running().length > 0; round += 1) {
    for (const { process } of world.running()) world.exit(process.key);
  }
}

function jobsThatEnd(world: World): void {
  const resources = { accelerators: { name: "V100", count: 0.5 } };
  const [gang = 0] = world.submitted(task({ name: "gang", numNodes: 3, envs: { A: "b c" } }));
  world.submitted(task({ name: "set up", setup: "make", numNodes: 2, secrets: { TOKEN: "x" } }));
  world.submitted(task({ name: "half", resources }), task({ name: "other half", resources }));
  for (const rank of [2, 0, 1]) world.exit(world.rank(gang, rank));
  endAll(world);
  world.say({ kind: "logs-complete", job: gang, attempt: 1 });
  const [fails = 0] = world.submitted(task({ name: "fails", numNodes: 4, maxRestarts: 1 }));
  world.exit(world.rank(fails, 1), { kind: "code", code: 7 });
  world.pass(1_000);
  world.exit(world.rank(fails, 3), { kind: "signal", signal: 9, evidence: "the kernel's counter" });
}

function jobsThatAreStopped(world: World): void {
  const cpus = { cpus: { amount: 2, orMore: false } };
  const wide = task({ name: "wide", numNodes: 3, resources: cpus });
  const [first = 0, second = 0] = world.submitted(wide, { ...wide, priority: 1 }, task());
  world.cancel([first, second, 99]);
  world.submit([task({ name: "once" })], { key: "a key" });
  world.submit([task({ name: "once" })], { key: "a key" });
  world.submit([task({ numNodes: 9 })]);
  endAll(world);
}

function nodesThatAreLost(world: World): void {
  const [moves = 0] = world.submitted(task({ name: "moves", numNodes: 4, maxRestarts: 1 }));
  world.submitted(task({ name: "stays" }));
  world.exit(world.rank(moves, 0));
  world.agent("worker3").up = false;
  world.phase("worker3", "suspect");
  world.phase("worker3", "lost");
  world.pass(5_000);
  world.reboot("worker3");
  world.phase("worker3", "alive");
  world.pass(5_000);
  endAll(world);
}

function headsThatAreKilled(world: World): void {
  world.submitted(task({ name: "outlives the head", numNodes: 2 }));
  world.fate = (_from, to) => (to === "worker1" ? 0 : 1);
  world.submitted(task({ name: "half asked", numNodes: 3 }), task({ secrets: { A: "b" } }));
  world.restartHead();
  world.fate = () => 1;
  for (const id of world.agents.keys()) world.phase(id, "alive");
  world.pass(20_000);
  world.restartAgent("worker2");
  endAll(world);
}

function restToTheEnd(world: World): void {
  const replyTo = { cluster: "demo", node: "skyhead", kind: "ask", id: "3" };
  world.say({ kind: "set-autostop", setting: { idleMs: 60_000, verb: "stop" }, replyTo });
  world.submitted(task({ name: "the last" }));
  world.pass(90_000);
  endAll(world);
  world.pass(61_000);
  world.say({ kind: "close", verb: "stopped", replyTo });
  world.restartHead();
  world.say({ kind: "open" });
}
