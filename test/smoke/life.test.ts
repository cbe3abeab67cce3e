// Smoke tests of a cluster's life: stop and start between jobs, jobs that a stop ends, and cancels
// after which no process is left; and what a cluster on this machine cannot be.
//
// SkyPilot's gcp-start-stop, image_no_conda, stale_job, cancel_*, cancel-pytorch, ibm-cancel-task.

import { smoke } from "./script.ts";

/** The same tasks elsewhere than where the cluster is. */
const elsewhere = [
  "--infra aws/us-east-1",
  "--cloud gcp --region us-central1",
  "--infra aws/us-east-1 --image-id ami-1",
  "--use-spot",
];

smoke("life", [
  {
    name: "start_stop",
    commands: (c) => [
      `sky launch -y -c ${c} multi_hostname.yaml`,
      `sky exec ${c} "echo kept > ~/kept"`,
      `sky logs ${c} 1 2 --status`,
      `sky stop -y ${c}`,
      `sky status ${c} | grep STOPPED`,
      `sky exec ${c} true; test $? = 1`,
      `sky start -y ${c}`,
      `sky status ${c} | grep UP`,
      `sky exec ${c} multi_hostname.yaml`,
      `sky logs ${c} 3 --status`,
      `sky exec ${c} "grep kept ~/kept"`,
      `sky exec ${c} "[ \\$(ulimit -Sn) = $(ulimit -Hn) ]"`,
      `sky logs ${c} "*" --status`,
    ],
  },
  {
    name: "stale_job",
    commands: (c) => [
      `sky launch -y -c ${c} "echo hi"`,
      `sky exec ${c} -d "echo start; sleep 10000"`,
      `within 20 'sky queue ${c} | grep "^2 .*RUNNING"'`,
      `sky stop -y ${c}`,
      `sky start -y ${c}`,
      `sky logs ${c} 1 --status`,
      `sky logs ${c} 2 --status | grep "Job 2: FAILED"; test $? = 100`,
      `sky queue ${c} | grep "^2 .*FAILED"`,
      `test -z "$(sky queue ${c} -s | grep "^2 ")"`,
    ],
  },
  {
    name: "cancel",
    commands: (c) => [
      `sky launch -y -c ${c} --gpus V100:1`,
      `sky exec ${c} -d --gpus V100:1 \
         "setsid bash -c 'exec -a device-${c} sleep 1000' & sleep 1000"`,
      `within 20 'pgrep -f "[d]evice-${c}"'`,
      `sky cancel -y ${c} 1`,
      `sky logs ${c} 1 --status; test $? = 103`,
      `! pgrep -af "[d]evice-${c}"`,
      `sky exec ${c} --gpus V100:1 "echo free again"`,
    ],
  },
  {
    name: "cancel_nodes",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 --gpus V100:1`,
      `sky exec ${c} -d --num-nodes 2 --gpus V100:1 "exec -a device-${c} sleep 1000"`,
      `within 20 'test $(pgrep -cf "^[d]evice-${c}") = 2'`,
      `sky cancel -y ${c} --all`,
      `sky queue ${c} | grep CANCELLED`,
      `! pgrep -af "[d]evice-${c}"`,
    ],
  },
  {
    name: "cancel_task",
    commands: (c) => [
      `sky launch -y -c ${c} -d "sleep 1000"`,
      `within 20 'sky queue ${c} | grep "^1 .*RUNNING"'`,
      `sky cancel -y ${c} 1`,
      `within 20 'sky queue ${c} | grep "^1 .*CANCELLED"'`,
    ],
  },
  {
    name: "no_such_cloud",
    commands: (c) => [
      // What needs a cloud is refused, and leaves no record of a cluster.
      ...elsewhere.map((flags) => `sky launch -y -c ${c} ${flags} true; test $? = 1`),
      `sky status ${c}; test $? = 2`,
      `sky launch -y -c ${c} "echo hi"`,
      // A refused exec takes no job id.
      ...elsewhere.map((flags) => `sky exec ${c} ${flags} true; test $? = 1`),
      `sky launch -y -c ${c} --cpus 400 true; test $? = 2`,
      `sky exec ${c} --gpus V100:1 true; test $? = 2`,
      `sky exec ${c} "echo hi"`,
      `sky logs ${c} 2 --status`,
    ],
  },
]);
