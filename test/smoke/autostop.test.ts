// Smoke tests of autostop and autodown: when they fire, what starts the timer again, what does not
// let them. In seconds where SkyPilot's take minutes.
//
// That a timer was started again is told from the record, not from a clock of ours: the cluster
// began to stop no sooner than the idle time after what started it.
//
// SkyPilot's autostop and autodown.

import { smoke } from "./script.ts";

const idleS = 8;

/** Remembers now; what comes next is later. */
const mark = "date +%s%3N > marked";

/** Fails if the cluster began to stop sooner than the idle time after what was marked. */
const stoppedNoSooner = (c: string): string => `
  stopped=$(sky why ${c} -o json | node -e '
    const { chain } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    console.log(chain.filter(({ to }) => /^stopping$/i.test(to ?? "")).at(-1).at)')
  echo "stopped $((stopped - $(cat marked))) ms after the mark"
  test $((stopped - $(cat marked))) -ge $((${idleS} * 1000))`;

const gone = (c: string): string =>
  `within 30 'sky status ${c} > status.txt 2>&1; grep "not found" status.txt'`;

const stopped = (c: string): string => `within 30 'sky status ${c} | grep STOPPED'`;

smoke("autostop", [
  {
    name: "autostop",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 "echo hi"`,
      `sky autostop -y ${c} -i 1 && sky status ${c} | grep "1m"`,
      `sky autostop -y ${c} --cancel`,
      `${mark}; sky autostop -y ${c} --idle-seconds ${idleS}`,
      `sky status ${c} | grep "UP *${idleS}s"`,
      stopped(c),
      stoppedNoSooner(c),
      `sky start -y ${c}; sky status ${c} | grep UP | grep -- " - "`,
      `sky exec ${c} "echo again" && sky logs ${c} 2 --status`,
    ],
  },
  {
    name: "autostop_reset",
    commands: (c) => [
      `sky launch -y -c ${c} -i 1 "echo hi"`,
      `sky autostop -y ${c} --idle-seconds ${idleS}`,
      // A part of the idle time goes by, so that a timer that went on would fire too early.
      "sleep 2",
      `sky autostop -y ${c} --cancel && sky status ${c} | grep UP | grep -- " - "`,
      `${mark}; sky autostop -y ${c} --idle-seconds ${idleS}`,
      stopped(c),
      stoppedNoSooner(c),
    ],
  },
  {
    name: "autostop_exec",
    commands: (c) => [
      `sky launch -y -c ${c} "echo hi"`,
      `sky autostop -y ${c} --idle-seconds ${idleS}`,
      "sleep 2",
      `${mark}; sky exec ${c} "echo again"`,
      stopped(c),
      stoppedNoSooner(c),
      `sky start -y ${c} && sky logs ${c} "*" --status`,
    ],
  },
  {
    name: "autodown",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 "echo kept"`,
      `sky autostop -y ${c} --down -i 1 && sky status ${c} | grep "1m (down)"`,
      `sky autostop -y ${c} --down --idle-seconds ${idleS}`,
      `sky status ${c} | grep "UP *${idleS}s (down)"`,
      gone(c),
      // Its logs are kept, and whoever asks for them is told where.
      `sky logs ${c} 2>&1 | sed -n "s/.*its logs are in //p" > where
       cat "$(cat where)"/* | grep kept`,
    ],
    teardown: () => "true",
  },
  {
    name: "autodown_launch",
    commands: (c) => [
      `sky launch -y -c ${c} -i 1 --down "echo hi" && sky status ${c} | grep "1m (down)"`,
      `sky launch -y -c ${c} --idle-seconds ${idleS} --down -d "echo hi"`,
      "sleep 2",
      `sky exec ${c} "echo extended" && sky status ${c} | grep UP`,
      gone(c),
    ],
    teardown: () => "true",
  },
  {
    name: "autodown_cancel",
    commands: (c) => [
      `sky launch -y -c ${c} --idle-seconds ${idleS} --down "echo hi"`,
      `sky autostop -y ${c} --cancel`,
      // Longer than it would take, so that one that was not cancelled would be gone.
      `sleep ${idleS + 1}`,
      `sky status ${c} | grep UP | grep -- " - "`,
    ],
  },
]);
