// The thread that HiGHS runs on: a program in, its answer out.
//
// WebAssembly that threw may be left in any state, so a throw ends the thread and its owner starts
// another one.

import { parentPort } from "node:worker_threads";
import { assert } from "../../model/errors.ts";
import type { MilpAnswer } from "./solver.ts";
import type { Problem, Solution } from "./solver-highs-os.ts";

assert(parentPort !== null, "the solver runs on a thread of its own");
const port = parentPort;
// Its types are those of its CommonJS form; what is imported is the other one.
const { default: loaded } = await import("highs");
const load = loaded as unknown as typeof loaded.default;
const highs = await load();

port.on("message", (problem: Problem) => {
  const answer = answerOf(solved(problem));
  port.postMessage({ id: problem.id, answer } satisfies Solution);
});

function solved({ program, options }: Problem): ReturnType<typeof highs.solve> {
  const given = {
    output_flag: false,
    time_limit: options.secondsMax,
    mip_rel_gap: options.gap,
    mip_feasibility_tolerance: 1e-7,
  };
  try {
    return highs.solve(program, given);
  } catch {
    // Presolve may make of a program that barely has a solution one that has none, and HiGHS then
    // fails to check what it found. Seen with 1.15.3 at the greatest rate of a network.
    return highs.solve(program, { ...given, presolve: "off" });
  }
}

function answerOf(solved: ReturnType<typeof highs.solve>): MilpAnswer {
  const { Status: status, ObjectiveValue: objective, Columns: columns } = solved;
  if (status === "Infeasible") return { kind: "infeasible" };
  const values = new Map<string, number>();
  let hasValues = false;
  for (const [name, column] of Object.entries(columns)) {
    if (!("Primal" in column)) continue;
    hasValues = true;
    if (column.Primal !== 0) values.set(name, column.Primal);
  }
  const isBest = status === "Optimal";
  const isCut = status === "Time limit reached" && hasValues && Number.isFinite(objective);
  if (isBest || isCut) return { kind: "solved", isBest, objective, values };
  return { kind: "failed", why: status };
}
