// A submit with files keeps autostop away from its first moment until its jobs are on record.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../../model/task.ts";
import { taskToProto } from "../../proto/converters-job.ts";
import { sky } from "../../proto/gen/sky.js";
import { jobHandlers } from "../../scheduler/api-jobs-grpc.ts";
import type { ApiOptions } from "../../scheduler/api-options.ts";
import { task } from "../sim/scheduler-world.ts";

/** What happens in one submit, in order; packing it fails if `fails`. */
async function submitted(asked: Task, fails = false): Promise<readonly string[]> {
  const happened: string[] = [];
  const head = {
    holdSubmit: () => {
      happened.push("held");
      return () => happened.push("released");
    },
    workdirs: {
      snapshot: async (tasks: readonly Task[]) => {
        happened.push("packed");
        if (fails) throw new Error("a file changes too often");
        return tasks.map(() => ({ mounts: [] }));
      },
      assign: async () => {},
    },
    system: {
      ask: async () => {
        happened.push("submitted");
        return { kind: "submitted", jobs: [1] };
      },
    },
  };
  const options = {
    fleets: {
      record: () => ({ name: "demo", status: "UP" }),
      records: () => [],
      used: (_: string, command: string) => happened.push(`used by '${command}'`),
    },
    heads: { whenOpen: async () => head },
    store: {},
    random: { bytes: (count: number) => new Uint8Array(count) },
  } as unknown as ApiOptions;
  const request = { cluster: "demo", tasks: [taskToProto(asked)], allNodes: true };
  const { signal } = new AbortController();
  const typed = sky.v1.SubmitRequest.decode(sky.v1.SubmitRequest.encode(request).finish());
  await Promise.resolve(jobHandlers(options).submit(typed, { signal } as never)).catch(
    (error: Error) => happened.push(error.message),
  );
  return happened;
}

test("a submit with a workdir or mounts is held from before it is packed", async () => {
  const order = ["held", "packed", "submitted", "used by ''", "released"];
  assert.deepEqual(await submitted(task({ workdir: "/w" })), order);
  const fileMounts = [{ destination: "~/x", source: "/x" }];
  assert.deepEqual(await submitted(task({ fileMounts })), order);
});

test("one without files is a job at once: nothing is held", async () => {
  assert.deepEqual(await submitted(task()), ["packed", "submitted", "used by ''"]);
});

test("one that cannot be packed is let go of", async () => {
  const seen = await submitted(task({ workdir: "/w" }), true);
  assert.deepEqual(seen, ["held", "packed", "released", "a file changes too often"]);
});
