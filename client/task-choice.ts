// Which of a task's wishes is taken, and why: the first that an enabled cloud can do. Pure.
//
// A wish that no enabled cloud can do needs another cloud, and each field that says so is told
// with its place. A wish of cpus, memory and accelerators alone can be had everywhere.

import type { Problem } from "../model/problem.ts";
import type { TaskResources } from "../model/task.ts";
import { shown } from "../model/value-tree.ts";
import type { Wanted, WantedField } from "../model/wanted.ts";
import { isTpu, nameHint, wishText } from "./task-accelerator.ts";
import type { Candidate, Candidates, Origin } from "./task-candidate.ts";
import type { CloudSkills } from "./task-clouds.ts";

export interface Choice {
  readonly kind: Candidates["kind"];
  readonly wishes: readonly Wish[];
  /** Index of the wish that is taken; absent if none can be. */
  readonly taken?: number;
  /** Where the taken one can be had. */
  readonly cloud?: string;
}

export interface Wish {
  readonly wanted: Wanted;
  /** The fields that no enabled cloud can do, as they were written: `region`, `infra`. */
  readonly lacks: readonly string[];
}

export interface Decision {
  readonly choice: Choice;
  readonly candidate?: Candidate;
  /** One for each field that needs a cloud; empty if a wish could be taken. */
  readonly needs: readonly Problem[];
  readonly notes: readonly Problem[];
}

export function decide(candidates: Candidates, clouds: readonly CloudSkills[]): Decision {
  const { kind, of } = candidates;
  const lacks = of.map((candidate) => lackedBy(candidate, clouds));
  const wishes = of.map(({ wanted }, index) => {
    return { wanted, lacks: [...new Set((lacks[index] ?? []).map(({ key }) => key))] };
  });
  const taken = lacks.findIndex((lacked) => lacked.length === 0);
  const candidate = of[taken];
  if (candidate === undefined) {
    return { choice: { kind, wishes }, needs: needsOf(lacks.flat()), notes: [] };
  }
  const cloud = clouds.find((skills) => missing(candidate.wanted, skills).length === 0);
  const choice = { kind, wishes, taken, ...(cloud === undefined ? {} : { cloud: cloud.name }) };
  const notes = cloud === undefined ? [] : notesOf(candidate, cloud);
  return { choice, candidate, needs: [], notes };
}

/** What keeps a wish from the cloud that can do most of it. */
function lackedBy({ wanted, origins }: Candidate, clouds: readonly CloudSkills[]) {
  const [least = []] = clouds
    .map((skills) => missing(wanted, skills))
    .toSorted((a, b) => a.length - b.length);
  return least.flatMap((field): readonly Origin[] => {
    const origin = origins.get(field);
    return origin === undefined ? [] : [origin];
  });
}

function missing(wanted: Wanted, skills: CloudSkills): readonly WantedField[] {
  return (Object.keys(wanted) as WantedField[]).filter((field) => {
    if (wanted[field] === undefined || skills.ignores.has(field)) return false;
    if (!skills.does.has(field)) return !asksNothing(wanted, field);
    // A place means something at its own cloud, and at no other that happens to have places.
    if (field === "cloud" || field === "region") return wanted.cloud !== skills.name;
    if (field !== "accelerators" || wanted.accelerators === undefined) return false;
    const { accelerators } = wanted;
    return accelerators.kind === "by-memory" || isTpu(accelerators.name);
  });
}

/** `use_spot: false`, and recovery of spot machines, which is told by `use_spot` itself. */
function asksNothing(wanted: Wanted, field: WantedField): boolean {
  if (field === "use_spot") return wanted.use_spot === false;
  return field === "spot_recovery" && wanted.use_spot === true;
}

function needsOf(origins: readonly Origin[]): readonly Problem[] {
  return [...new Set(origins.map(({ tree }) => tree))].map((tree) => {
    const key = origins.find((origin) => origin.tree === tree)?.key ?? "";
    const value = tree.kind === "scalar" ? ` ${shown(tree)}` : "";
    return { place: tree.place, what: needsCloud(`${key}${value}`) };
  });
}

/** The one sentence for what is right and cannot be had here. */
export function needsCloud(what: string): string {
  return `${what} needs a cloud: see \`sky check\``;
}

function notesOf({ wanted, origins, autostop }: Candidate, cloud: CloudSkills) {
  const notes: Problem[] = [];
  for (const [field, { key, tree }] of origins) {
    if (field === "autostop" && autostop !== undefined && autostop.inVain.length > 0) {
      const what = `${autostop.inVain.join(", ")} of autostop: without effect here`;
      notes.push({ place: tree.place, what });
    }
    if (field === "autostop" || field === "priority" || wanted[field] === undefined) continue;
    if (!cloud.ignores.has(field)) continue;
    notes.push({ place: tree.place, what: `${key} has no effect on the ${cloud.name} cloud` });
  }
  const { accelerators } = wanted;
  const place = origins.get("accelerators")?.tree.place;
  const hint = accelerators?.kind === "named" ? nameHint(accelerators.name) : "";
  if (hint !== "" && place !== undefined && accelerators !== undefined) {
    const name = wishText(accelerators).replace(/:[^:]*$/, "");
    notes.push({ place, what: `${name} is no common name of an accelerator.${hint}` });
  }
  return notes;
}

/** The part of a wish that a cluster gives. */
export function resourcesOf(wanted: Wanted): TaskResources {
  const { cloud, region, cpus, memory, accelerators } = wanted;
  const named = accelerators?.kind === "named" ? accelerators : undefined;
  return {
    ...(cloud === undefined ? {} : { cloud }),
    ...(region === undefined ? {} : { region }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory === undefined ? {} : { memoryGb: memory }),
    ...(named === undefined ? {} : { accelerators: { name: named.name, count: named.count } }),
  };
}
