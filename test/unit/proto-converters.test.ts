// Everything that crosses the API comes back as it was: model → proto → bytes → proto → model.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codes, isSkyError, SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { decodeMessage, encodeMessage, type MessageType } from "../../proto/codec.ts";
import { clusterFromProto, clusterToProto } from "../../proto/converters-cluster.ts";
import {
  eventFromProto,
  eventToProto,
  jobFromProto,
  jobToProto,
  taskFromProto,
  taskToProto,
} from "../../proto/converters-job.ts";
import {
  orderFromProto,
  orderToProto,
  previewFromProto,
  previewToProto,
} from "../../proto/converters-transfer.ts";
import {
  transferEventFromProto,
  transferEventToProto,
  transferFromProto,
  transferToProto,
} from "../../proto/converters-transfer-view.ts";
import {
  asSkyError,
  errorFromBytes,
  errorFromGrpc,
  errorToBytes,
  grpcStatusOf,
} from "../../proto/error-detail.ts";
import { sky } from "../../proto/gen/sky.js";
import { cluster, event, job, record, task } from "../support/arbitraries.ts";
import { order, preview, transfer, transferEvent } from "../support/arbitraries-transfer.ts";
import { fc } from "../support/property.ts";

function roundTrip<M, In, Out>(
  name: string,
  arbitrary: fc.Arbitrary<M>,
  way: {
    readonly type: MessageType<In, Out>;
    readonly to: (value: M) => In;
    readonly from: (message: Out) => M;
  },
): void {
  test(`converters: any ${name} comes back as it was sent`, () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        const bytes = encodeMessage(way.type, way.to(value));
        assert.deepEqual(way.from(decodeMessage(way.type, bytes, name)), value);
      }),
    );
  });
}

const { Task: TaskProto, Job, Event, Cluster } = sky.v1;
roundTrip("task", task, { type: TaskProto, to: taskToProto, from: taskFromProto });
roundTrip("job", job, { type: Job, to: jobToProto, from: jobFromProto });
roundTrip("event", event, { type: Event, to: eventToProto, from: eventFromProto });
roundTrip("cluster", cluster, { type: Cluster, to: clusterToProto, from: clusterFromProto });

const { TransferOrder, Transfer, PreviewTransferResponse, FollowTransferResponse } = sky.v1;
roundTrip("transfer's order", order, {
  type: TransferOrder,
  ...{ to: orderToProto, from: orderFromProto },
});
roundTrip("transfer", transfer, {
  type: Transfer,
  ...{ to: transferToProto, from: transferFromProto },
});
roundTrip("preview of a transfer", preview, {
  type: PreviewTransferResponse,
  ...{ to: previewToProto, from: previewFromProto },
});
roundTrip("transfer's event", transferEvent, {
  type: FollowTransferResponse,
  ...{ to: transferEventToProto, from: transferEventFromProto },
});

test("converters: environment variables keep their order and their bytes", () => {
  const envs = { Z: "1", A: " $HOME \"'\n\t\u0000é", __proto: "", M: "\u{1f680}" };
  const plain: Task = {
    numNodes: 1,
    resources: {},
    envs,
    secrets: {},
    priority: 0,
    maxRestarts: 0,
  };
  const bytes = encodeMessage(TaskProto, taskToProto(plain));
  const back = taskFromProto(decodeMessage(TaskProto, bytes, "task"));
  assert.deepEqual(Object.entries(back.envs), Object.entries(envs));
});

test("converters: a word or a part that we do not know is codec/invalid, and named", () => {
  const invalid = (what: RegExp) => (error: unknown) =>
    isSkyError(error, "codec/invalid") && what.test(error.message);
  const given = (properties: sky.v1.Job.$Properties): sky.v1.Job =>
    Job.decode(encodeMessage(Job, properties));
  assert.throws(() => jobFromProto(null), invalid(/Job/));
  assert.throws(() => jobFromProto(given({ status: 99 as never })), invalid(/JobStatus.*99/));
  assert.throws(() => jobFromProto(given({ status: 1, phase: "lost" })), invalid(/phase.*lost/));
  const reasoned = given({ status: 5, phase: "ended", reason: "bad-luck" });
  assert.throws(() => jobFromProto(reasoned), invalid(/reason.*bad-luck/));
});

test("errors: any of ours crosses with its code, parameters and sentence, and no stack", () => {
  const code = fc.constantFrom(...(Object.keys(codes) as (keyof typeof codes)[]));
  fc.assert(
    fc.property(code, record, (one, params) => {
      const cause = new Error("cause in /secret/place");
      const error = new SkyError(one, params as never, { cause });
      const bytes = errorToBytes(error);
      assert.ok(!bytes.includes("/secret/place") && !bytes.includes("\n    at "), "no stack");
      const back = errorFromBytes(bytes);
      assert.deepEqual([back.code, { ...back.params }], [error.code, params]);
      assert.equal(back.message, error.message);
      assert.equal(grpcStatusOf(back), codes[one].grpc);
    }),
  );
});

test("errors: the code of a newer peer keeps its sentence; a long one fits a header", () => {
  const newer = encodeMessage(sky.v1.ErrorDetail, { code: "new/code", text: "what happened" });
  assert.match(errorFromBytes(newer).message, /what happened/);
  const long = new SkyError("task/invalid", { problems: "ü".repeat(100_000) });
  assert.ok(errorToBytes(long).length * (4 / 3) < 64_000);
});

test("errors: what is not ours is our bug; what gRPC knows has a code of ours", () => {
  assert.equal(asSkyError(new TypeError("x is undefined")).code, "core/broken-invariant");
  const failure = { method: "/m", details: "d", detail: undefined, timeoutMs: 5 };
  const codeOf = (status: number): string => errorFromGrpc({ ...failure, status }, null).code;
  assert.equal(codeOf(1), "head/unreachable");
  assert.equal(codeOf(4), "bus/timeout");
  assert.equal(codeOf(14), "head/unreachable");
  assert.equal(codeOf(13), "core/broken-invariant");
  const detail = errorToBytes(new SkyError("job/not-found", { id: 7, name: "demo" }));
  assert.equal(errorFromGrpc({ ...failure, status: 5, detail }, null).code, "job/not-found");
  const ending = errorToBytes(new SkyError("core/cancelled", { what: "a request" }));
  const told = errorFromGrpc({ ...failure, status: 1, detail: ending }, null);
  assert.equal(told.code, "head/unreachable");
});
