// The tasks of a run: ranks that write down what happens to them. Pure.
//
// A rank first writes each line into a file of its own and then prints it; it links the file on the
// node that is its log, so that it can be compared byte for byte after the node has forgotten it;
// it appends to the side file that it starts, what it leaves behind, and how it ends. Each says
// something, because a node uses the file of a log that stayed empty again; each line bears the
// time, so that it shows when two attempts of one job run beside each other.

import type { Task } from "../../model/task.ts";
import type { PlannedJob } from "./plan.ts";

/** Below the run's folder. */
export const places = {
  side: "side",
  written: "written",
  onNode: "on-node",
  followed: "followed",
  printed: "printed",
  gates: "gates",
} as const;

export interface TaskOptions {
  readonly folder: string;
  readonly seed: number;
}

export function taskOf(job: PlannedJob, options: TaskOptions): Task {
  return {
    ...{ name: job.name, numNodes: job.numNodes, resources: {}, priority: 0 },
    maxRestarts: job.restarts,
    ...{ envs: { CHAOS: options.folder }, secrets: {} },
    ...(job.kind === "sets-up" ? { setup: `${startText(job)}write\nsleep 0.2\n` } : {}),
    run: runText(job, options.seed),
  };
}

/**
 * Which rank of which attempt this is, is told by the folder of the process above it; which slot it
 * has, is said before, in case that one is dead already. The shell's own words would be of those
 * that were killed.
 */
function startText({ cluster, name }: PlannedJob): string {
  return `exec 2>/dev/null
tell() { echo "${cluster} $1 $key $2" >>"$CHAOS/${places.side}"; }
key=${name}:\${SKYPILOT_NODE_RANK:-setup}
tell slot $SKYLET_RANK
key=$(readlink /proc/$PPID/cwd) || exit 99
key=\${key##*/}
tell start $$
ln /proc/$PPID/cwd/log "$CHAOS/${places.onNode}/${cluster}-$key"
own=$CHAOS/${places.written}/${cluster}-$key; n=0
write() {
  line="line $n of $key $EPOCHREALTIME"; n=$((n + 1))
  printf '%s\\377\\r\\n' "$line" >>"$own"; printf '%s\\377\\r\\n' "$line"
}
`;
}

function runText(job: PlannedJob, seed: number): string {
  const { name, kind, numNodes, lines, code } = job;
  const gate = `[ ! -e "$CHAOS/${places.gates}/${name}" ]`;
  const more = kind === "waits" ? gate : `[ $n -lt ${lines} ]`;
  const mark = `1000.${seed}`;
  const leave = `setsid sleep ${mark} >/dev/null 2>&1 </dev/null &\ntell left "$!:${mark}"\n`;
  const leaves = kind === "leaves" || kind === "fails" || kind === "is-cancelled";
  return `${startText(job)}${leaves ? leave : ""}write
while ${more}; do sleep 0.1; write; done
${kind === "is-cancelled" ? "while :; do sleep 300; done\n" : ""}code=0
[ "$SKYPILOT_NODE_RANK" = ${numNodes - 1} ] && code=${code}
tell end $code
exit $code
`;
}
