// The gRPC edges over a real unix socket at a path that is long and has spaces: errors, deadlines,
// cancellation, backpressure, and messages of the size of a bulk submit.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { dialHead, type HeadClient } from "../../proto/client-grpc.ts";
import {
  addService,
  closeGrpcServer,
  createGrpcServer,
  listenGrpc,
} from "../../proto/server-grpc.ts";
import {
  debugService,
  type HandlersOf,
  jobService,
  requestBytesMax,
} from "../../proto/services.ts";
import { listenPrivately, socketAddress } from "../../runtime/socket-os.ts";
import { until } from "../support/until.ts";

type Jobs = HandlersOf<typeof jobService>;

interface Stage {
  readonly head: HeadClient;
  /** What `HearBug` heard. */
  readonly bugs: string[];
}

const longFolder = `a folder ${"deep ".repeat(10)}/`.repeat(4);
const timeoutMs = 20_000;
const chunkBytes = 65_536;

const unused = async (): Promise<never> => {
  throw new SkyError("core/broken-invariant", { what: "unused here" });
};
const noStream = async function* (): AsyncGenerator<never> {};
const idle: Jobs = {
  submit: unused,
  listJobs: unused,
  getJob: unused,
  cancel: unused,
  tailLogs: noStream,
  watchEvents: noStream,
  why: unused,
};

function serving(what: string, jobs: Partial<Jobs>, run: (stage: Stage) => Promise<void>): void {
  test(`grpc: ${what}`, { timeout: 60_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), "sky-grpc-"));
    const path = join(dir, longFolder, "api.sock");
    const bugs: string[] = [];
    const server = createGrpcServer();
    const hearBug = (error: unknown): unknown => bugs.push(String(error));
    addService(server, jobService, { handlers: { ...idle, ...jobs }, hearBug });
    const insecure = ServerCredentials.createInsecure();
    const bound = await listenPrivately(path, (short) =>
      listenGrpc(server, `unix:${short}`, insecure),
    );
    const dialled = socketAddress(path);
    const head = dialHead(`unix:${dialled.path}`);
    try {
      await run({ head, bugs });
    } finally {
      head.close();
      dialled.release();
      await closeGrpcServer(server, 1_000);
      bound.release();
      rmSync(dir, { recursive: true });
    }
  });
}

serving(
  "an error of ours arrives with its code and parameters; a bug is heard and has no stack",
  {
    getJob: async ({ job, cluster }) => {
      throw new SkyError("job/not-found", { id: job, name: cluster });
    },
    why: async () => {
      throw new TypeError("x is not a function");
    },
    watchEvents: async function* () {
      yield { event: { seq: 1 } };
      throw new SkyError("cluster/not-found", { name: "ä\n“demo”", hint: "" });
    },
  },
  async ({ head, bugs }) => {
    await assert.rejects(head.jobs.getJob({ cluster: "demo", job: 7 }, { timeoutMs }), (error) => {
      assert.ok(isSkyError(error, "job/not-found"), String(error));
      assert.equal(error.message, "Job 7 not found on cluster 'demo'.");
      return true;
    });
    await assert.rejects(head.jobs.why({}, { timeoutMs }), (error) => {
      assert.ok(isSkyError(error, "core/broken-invariant"), String(error));
      return error.message === "x is not a function";
    });
    assert.deepEqual(bugs, ["TypeError: x is not a function"]);
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for await (const { event } of head.jobs.watchEvents({}, { timeoutMs })) {
        seen.push(event?.seq ?? 0);
      }
    };
    await assert.rejects(read(), (error) => isSkyError(error, "cluster/not-found"));
    assert.deepEqual(seen, [1]);
  },
);

serving(
  "ten thousand tasks go in one call",
  { submit: async ({ tasks }) => ({ jobIds: tasks.map((_, i) => i + 1) }) },
  async ({ head }) => {
    const tasks = Array.from({ length: 10_000 }, (_, i) => ({
      name: `n${i}`,
      run: "echo hello\n".repeat(300),
    }));
    const { jobIds } = await head.jobs.submit({ cluster: "demo", tasks }, { timeoutMs });
    assert.equal(jobIds.length, 10_000);
    assert.equal(jobIds.at(-1), 10_000);
  },
);

const seen = { sent: 0, signals: 0, closed: 0 };
serving(
  "a slow reader holds the writer back; when it leaves, the generator is closed",
  {
    tailLogs: async function* (_, { signal }) {
      signal.addEventListener("abort", () => {
        seen.signals += 1;
      });
      try {
        for (let i = 0; i < 20_000; i += 1) {
          seen.sent += 1;
          yield { chunk: { offset: i * chunkBytes, data: new Uint8Array(chunkBytes) } };
        }
      } finally {
        seen.closed += 1;
      }
    },
  },
  async ({ head }) => {
    let offset = 0;
    for await (const { chunk } of head.jobs.tailLogs({}, { timeoutMs })) {
      assert.equal(chunk?.offset, offset);
      offset += chunkBytes;
      if (offset === 100 * chunkBytes) break;
    }
    await until("the generator is closed", () => seen.closed === 1 && seen.signals === 1);
    assert.ok(seen.sent < 2_000, `${seen.sent} chunks for a reader of 100`);
  },
);

serving(
  "a signal ends a call at once, at both ends, whether it waits or streams",
  {
    cancel: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          ends.push("cancel");
          reject(signal.reason);
        });
      }),
    watchEvents: async function* (_, { signal }) {
      yield { event: { seq: 1 } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ends.push("watch");
    },
  },
  async ({ head, bugs }) => {
    const cancelled = (error: unknown): boolean => isSkyError(error, "core/cancelled");
    const one = new AbortController();
    const waiting = head.jobs.cancel({}, { signal: one.signal });
    setImmediate(() => one.abort());
    await assert.rejects(waiting, cancelled);
    const two = new AbortController();
    const read = async (): Promise<void> => {
      for await (const _ of head.jobs.watchEvents({}, { signal: two.signal })) two.abort();
    };
    await assert.rejects(read(), cancelled);
    await assert.rejects(head.jobs.why({}, { signal: AbortSignal.abort() }), cancelled);
    await until("the stream's handler saw it", () => ends.includes("watch"));
    assert.deepEqual(bugs, []);
  },
);
const ends: string[] = [];

const closed: string[] = [];
serving(
  "what cannot be encoded ends the call at both ends, and is heard as the bug that it is",
  {
    watchEvents: async function* () {
      try {
        for (let i = 0; i < 1_000; i += 1) yield { event: { seq: i === 3 ? 0.5 : i } };
      } finally {
        closed.push("watch");
      }
    },
    submit: async () => ({ jobIds: [0.5] }),
  },
  async ({ head, bugs }) => {
    const broken = (error: unknown): boolean => isSkyError(error, "core/broken-invariant");
    const read = async (): Promise<void> => {
      for await (const { event } of head.jobs.watchEvents({}, { timeoutMs })) {
        assert.ok((event?.seq ?? 9) < 3);
      }
    };
    await assert.rejects(read(), broken);
    await until("the generator is closed", () => closed.length === 1);
    assert.equal(bugs.length, 1);
    await assert.rejects(head.jobs.submit({}, { timeoutMs }), broken);
  },
);

serving(
  "a deadline that passes is a timeout; a service that is not there says so",
  { why: () => new Promise(() => {}) },
  async ({ head }) => {
    await assert.rejects(head.jobs.why({}, { timeoutMs: 30 }), (error) => {
      return isSkyError(error, "bus/timeout") && error.params["ms"] === 30;
    });
    await assert.rejects(head.debug.version({}, { timeoutMs }), /older/);
  },
);

test("grpc: a server that closes cuts what does not end by itself", {
  timeout: 30_000,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), "sky-grpc-"));
  const path = join(dir, "api.sock");
  const left: string[] = [];
  const server = createGrpcServer();
  const handlers: Jobs = {
    ...idle,
    watchEvents: async function* (_, { signal }) {
      yield { event: { seq: 1 } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      left.push("watch");
    },
  };
  addService(server, jobService, { handlers, hearBug: (error) => left.push(String(error)) });
  const insecure = ServerCredentials.createInsecure();
  await listenPrivately(path, (short) => listenGrpc(server, `unix:${short}`, insecure));
  const head = dialHead(`unix:${path}`);
  const read = async (): Promise<void> => {
    for await (const _ of head.jobs.watchEvents({}, {})) void closeGrpcServer(server, 20);
  };
  await assert.rejects(read(), (error) => isSkyError(error, "head/unreachable"));
  await until("the handler has left", () => left.length > 0);
  assert.deepEqual(left, ["watch"]);
  head.close();
  rmSync(dir, { recursive: true });
});

test("grpc: nobody at the socket is head/unreachable, at once", async () => {
  const head = dialHead(`unix:${join(tmpdir(), "sky-nobody.sock")}`);
  await assert.rejects(head.debug.version({}, { timeoutMs }), (error) =>
    isSkyError(error, "head/unreachable"),
  );
  head.close();
});

test("grpc: a service cannot be added twice", () => {
  const server = createGrpcServer();
  const handlers: HandlersOf<typeof debugService> = { version: unused, inspect: unused };
  const options = { handlers, hearBug: () => {} };
  addService(server, debugService, options);
  assert.throws(() => addService(server, debugService, options), /served once/);
  server.forceShutdown();
});

serving("a request that is too large is refused, and says so", {}, async ({ head }) => {
  const script = "x".repeat(requestBytesMax);
  const request = { cluster: "demo", tasks: [{ run: script }] };
  await assert.rejects(head.jobs.submit(request, { timeoutMs }), (error) => {
    assert.ok(isSkyError(error, "request/invalid"), String(error));
    return /at most 48 MiB/.test(error.message);
  });
  await assert.rejects(head.jobs.getJob({ cluster: "demo", job: 7 }, { timeoutMs }));
});

const agents: (string | undefined)[] = [];

serving(
  "a call tells of its caller's SSH agent, if that is a path",
  {
    cancel: async (_, { agentSocket }) => {
      agents.push(agentSocket);
      return {};
    },
  },
  async ({ head: { jobs } }) => {
    const sockets = [
      "/run/ann's agent/é.1",
      undefined,
      "relative",
      "/a\0b",
      `/${"x".repeat(5_000)}`,
    ];
    for (const agentSocket of sockets) {
      await jobs.cancel({}, { timeoutMs, ...(agentSocket !== undefined && { agentSocket }) });
    }
    assert.deepEqual(agents, ["/run/ann's agent/é.1", undefined, undefined, undefined, undefined]);
  },
);
