// Smoke tests of running tasks: what a task sees, what its logs say, and which exit codes follow.
//
// SkyPilot's minimal, multi_hostname, env_check, test-inline-env, cli_logs, and of its tests of
// machines that several people share.

import { smoke } from "./script.ts";

smoke("basics", [
  {
    name: "minimal",
    commands: (c) => [
      `sky launch -y -c ${c} minimal.yaml`,
      `sky logs ${c} 1 --status`,
      `sky logs --status ${c} 1 | grep "Job 1: SUCCEEDED"`,
      `dir=$(sky logs ${c} 1 --sync-down | sed -n "s/^Job 1 logs: //p")
       test -f "$dir/run.log" && grep "running on" "$dir/run.log"`,
      // A process of a job may open as many files as its user may.
      `sky exec ${c} "[ \\$(ulimit -Sn) = $(ulimit -Hn) ]"`,
      `sky logs ${c} 2 --status`,
    ],
  },
  {
    name: "multi_hostname",
    commands: (c) => [
      `sky launch -y -c ${c} multi_hostname.yaml`,
      `sky logs ${c} 1 --status`,
      `sky logs ${c} 1 | grep "head, rank=0.*My hostname: $(hostname), rank 0"`,
      `sky logs ${c} 1 | grep "worker1, rank=1.*My hostname: $(hostname), rank 1"`,
      `sky exec ${c} multi_hostname.yaml`,
      `sky logs ${c} 2 --status`,
      `test $(sky logs ${c} 2 | grep -c "My hostname: $(hostname)") = 2`,
    ],
  },
  {
    name: "env_check",
    commands: (c) => [
      `sky launch -y -c ${c} --detach-setup env_check.yaml`,
      `sky logs ${c} 1 --status`,
      `sky logs ${c} 1 --rank 0 | grep "checked on rank 0 of 2"`,
      `sky logs ${c} 1 --rank 1 | grep "checked on rank 1 of 2"`,
    ],
  },
  {
    name: "inline_env",
    commands: (c) => [
      `sky launch -y -c ${c} --env TEST_ENV="hello world" inline_env.yaml`,
      `sky logs ${c} 1 --status`,
      `sky exec ${c} --env TEST_ENV="hello world" inline_env.yaml`,
      `sky logs ${c} 2 --status`,
      `TEST_ENV="hello world" sky exec ${c} --env TEST_ENV inline_env.yaml`,
      `sky exec ${c} --env TEST_ENV=other inline_env.yaml; test $? = 100`,
    ],
  },
  {
    name: "cli_logs",
    commands: (c) => [
      `sky launch -y -c ${c} --num-nodes 2 "echo first"`,
      ...["second", "third", "fourth"].map((word) => `sky exec ${c} "echo ${word}"`),
      `sky logs ${c} 2 --status`,
      `sky logs ${c} 3 4 --sync-down | wc -l | grep -x 2`,
      `sky logs ${c} "*" --sync-down | wc -l | grep -x 4`,
      `sky logs ${c} "*" --status`,
      `sky logs ${c} 1 | grep first`,
      `sky logs ${c} | grep fourth`,
      `sky logs ${c} 3 2 --no-follow | grep -A 1 second | grep third`,
      `sky exec ${c} "exit 3"; test $? = 100`,
      `sky logs ${c} --status; test $? = 100`,
      `sky logs ${c} "*" --status; test $? = 1`,
      `sky logs ${c} 77 --status; test $? = 102`,
    ],
  },
  {
    name: "users",
    commands: (c) => [
      `sky launch -y -c ${c} --cpus 4`,
      ...[1, 2, 3].map((id) => `SKYPILOT_USER=ada sky exec ${c} -n ada-${id} -d "sleep 1000"`),
      ...[4, 5, 6].map((id) => `SKYPILOT_USER=bob sky exec ${c} -n bob-${id} -d "sleep 1000"`),
      `test $(SKYPILOT_USER=ada sky queue ${c} | grep -c "ada-") = 3`,
      `test $(SKYPILOT_USER=ada sky queue ${c} | grep -c "bob-") = 0`,
      `test $(SKYPILOT_USER=ada sky queue ${c} --all-users | grep -c "bob-") = 3`,
      `SKYPILOT_USER=ada sky cancel -y ${c} 5; test $? = 2`,
      `SKYPILOT_USER=bob sky cancel -y ${c} 5`,
      `sky logs ${c} 5 --status; test $? = 103`,
      `SKYPILOT_USER=ada sky cancel -y ${c} --all`,
      `sky queue ${c} -a -s | grep -c "bob-[46] .*RUNNING" | grep -x 2`,
      `test -z "$(sky queue ${c} -a -s | grep ada-)"`,
    ],
  },
]);
