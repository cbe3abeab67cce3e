// Smoke tests of the queue: who runs, who waits, and that nothing leaks when jobs are cancelled.
//
// SkyPilot's job_queue, job_queue_multinode, large_job_queue and multi_echo.

import { smoke } from "./script.ts";

smoke("queue", [
  {
    name: "job_queue",
    commands: (c) => [
      `sky launch -y -c ${c} --gpus K80:1`,
      ...[1, 2, 3].map((id) => `sky exec ${c} -n ${c}-${id} -d job_queue.yaml`),
      `within 20 'sky queue ${c} | grep "${c}-2 .*RUNNING"'`,
      `sky queue ${c} | grep "${c}-1 .*RUNNING"`,
      `sky queue ${c} | grep "${c}-3 .*PENDING"`,
      `sky cancel -y ${c} 2`,
      `within 20 'sky queue ${c} | grep "${c}-3 .*RUNNING"'`,
      `sky cancel -y ${c} 3`,
      `sky exec ${c} --gpus K80:0.2 '[ "$SKYPILOT_NUM_GPUS_PER_NODE" = 1 ]'`,
      `sky cancel -y ${c} 1`,
      `sky exec ${c} --gpus K80:1 '[ "$SKYPILOT_NUM_GPUS_PER_NODE" = 1 ]'`,
      `sky logs ${c} 4 5 --status`,
    ],
  },
  {
    name: "job_queue_multi",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 --gpus K80:1`,
      ...[1, 2].map((id) => `sky exec ${c} -n ${c}-${id} -d job_queue_multinode.yaml`),
      `within 20 'test $(sky queue ${c} | grep -c RUNNING) = 2'`,
      // Resources come before the setup: as long as there are none it is PENDING.
      `sky launch -y -c ${c} -n ${c}-3 --detach-setup -d job_queue_multinode.yaml`,
      `sky queue ${c} | grep "${c}-3 .*PENDING"`,
      `sky cancel -y ${c} 1`,
      `within 20 'sky queue ${c} | grep "${c}-3 .*SETTING_UP"'`,
      `release ${c}; within 20 'sky queue ${c} | grep "${c}-3 .*RUNNING"'`,
      `sky cancel -y ${c} 1 2 3`,
      `rm $SKY_HOME/clusters/${c}/nodes/*/home/go`,
      `sky launch -y -c ${c} -n ${c}-4 --detach-setup -d job_queue_multinode.yaml`,
      `within 20 'sky queue ${c} | grep "${c}-4 .*SETTING_UP"'`,
      `sky cancel -y ${c} 4`,
      `sky queue ${c} | grep "${c}-4 .*CANCELLED"`,
      `sky exec ${c} --gpus K80:0.2 '[ "$SKYPILOT_NUM_GPUS_PER_NODE" = 1 ]'`,
      `sky exec ${c} --gpus K80:0.2 --num-nodes 2 '[ "$SKYPILOT_NUM_GPUS_PER_NODE" = 1 ]'`,
      `sky exec ${c} --gpus K80:1 --num-nodes 2 '[ "$SKYPILOT_NUM_GPUS_PER_NODE" = 1 ]'`,
      `sky logs ${c} 5 6 7 --status`,
    ],
  },
  {
    name: "large_job_queue",
    commands: (c) => [
      `sky launch -y -c ${c} --cpus 8`,
      `seq 75 | xargs -P 2 -I@ sky exec ${c} -n ${c}-@ -d "sleep 100000000" > submitted
       grep -c submitted submitted | grep -x 75`,
      // Each takes half a CPU: 16 run, and 16 more in the place of those.
      `within 20 'test $(sky queue ${c} | grep -c RUNNING) = 16'`,
      `sky cancel -y ${c} $(seq 16)`,
      `within 20 'test $(sky queue ${c} | grep -c RUNNING) = 16'`,
      `test $(sky queue ${c} | grep -c PENDING) = 43`,
    ],
  },
  {
    name: "multi_echo",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 --gpus T4:1`,
      `seq 32 | xargs -P 8 -I@ sky exec ${c} --gpus T4:0.5 -d "echo @ && sleep 0.2"`,
      `within 40 'test $(sky queue ${c} | grep -c SUCCEEDED) = 32'`,
      `sky logs ${c} "*" --status`,
      `sky logs ${c} "*" --no-follow | sed "s/.*) //" | sort -n | diff - <(seq 32)`,
      `test -z "$(sky why ${c} | grep -E "lost|restarted")"`,
    ],
  },
]);
