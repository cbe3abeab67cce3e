// A stage for tests of a whole agent: memory for everything, a clock that is moved by hand, and a
// head that writes down what it hears and keeps what logs it gets.

import { setImmediate as turn } from "node:timers/promises";
import type { RunningAgent } from "../../agent/agent-os.ts";
import { startAgent } from "../../agent/agent-os.ts";
import { beatSubject, headNode } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import { nodeHomeAt } from "../../model/home.ts";
import type { RankKey } from "../../model/job.ts";
import { rankKeyText } from "../../model/job.ts";
import { decodeEnvelope } from "../../proto/envelope.ts";
import { encodeOffset, parseLogHeader } from "../../proto/log-channel.ts";
import type { AgentMessage, AgentReport, Beat, RankSpec } from "../../proto/messages.ts";
import type { Actor, Received } from "../../runtime/actor.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ProgramStep } from "../../runtime/process-memory.ts";
import { createMemoryMachine, programText } from "../../runtime/process-memory.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { StreamChannel, StreamPort } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import type { ActorSystem } from "../../runtime/system-actor.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";

export const key: RankKey = { job: 7, attempt: 1, phase: "run", index: 0 };

export type Heard = Received<AgentReport>;

export interface Stage {
  readonly heard: Heard[];
  readonly beats: Beat[];
  /** What the head has of each log. */
  readonly logs: Map<string, Buffer>;
  readonly ended: Set<string>;
  readonly machine: ReturnType<typeof createMemoryMachine>;
  readonly clock: ReturnType<typeof createMemoryClock>;
  readonly bus: ReturnType<typeof createBusHub>;
  readonly streams: ReturnType<typeof createStreamHub>;
  /** From the head, or from whoever it is. */
  tell(message: AgentMessage, from?: string): void;
  kinds(): readonly string[];
  pass(ms: number): Promise<void>;
  /** `kill -9` of the agent, and the next one. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const everything = { publish: [">"], subscribe: [">"] };
const target = { host: "head", port: 0 };

export async function openStage(): Promise<Stage> {
  const clock = createMemoryClock();
  const bus = createBusHub();
  const streams = createStreamHub();
  const [files, chunks] = [createMemoryFiles("/node"), createMemoryContentStore()];
  const { machine, openLog } = machineWithLogs(clock);
  const stage = { heard: [] as Heard[], beats: [] as Beat[], ...(await headLogs(streams)) };
  const head = headOf(bus, clock, stage);
  let system: ActorSystem | undefined;
  let agent: RunningAgent | undefined;
  let incarnation = 0;

  const alive = (life: number) => () => life === incarnation;
  const start = async (): Promise<void> => {
    incarnation += 1;
    const link = bus.connect("worker1", everything);
    const names = { cluster: "demo", node: "worker1" };
    system = createSystem({ ...names, incarnation, clock, bus: link, log: silentLog });
    agent = await startAgent({
      ...names,
      system,
      bus: link,
      process: machine.open(),
      streams: whileAlive(streams.connect("demo/worker1"), alive(incarnation)),
      streamTarget: target,
      ...{ files, chunks, work: createInlineWork() },
      home: nodeHomeAt("/node"),
      capacity: { cpus: 4, memoryBytes: 1e9, accelerators: [] },
      clock,
      random: createMemoryRandom(incarnation),
      log: silentLog,
      version: "1.2.3",
      openLog,
    });
    await settle();
  };
  await start();
  return {
    ...stage,
    ...{ machine, clock, bus, streams },
    kinds: () => stage.heard.map((message) => message.kind),
    tell: (message, from = headNode) => {
      const sender = from === headNode ? head : strangerOf(bus, clock, from);
      sender.tell({ cluster: "demo", node: "worker1", kind: "agent", id: "main" }, message);
    },
    pass: (ms) => clock.pass(ms, settle),
    restart: async () => {
      machine.crash();
      incarnation += 1;
      streams.cut("demo/worker1");
      await system?.close("killed");
      await start();
    },
    close: async () => {
      await agent?.close();
      await system?.close("done");
      await head.close("done");
    },
  };
}

/** A machine whose logs are in memory, and how an agent reads them. */
function machineWithLogs(clock: ReturnType<typeof createMemoryClock>) {
  const written = new Map<string, Buffer>();
  const watchers = new Map<string, Set<() => void>>();
  const machine = createMemoryMachine({
    clock,
    append: (path, bytes) => {
      written.set(path, Buffer.concat([written.get(path) ?? Buffer.alloc(0), bytes]));
      for (const hear of watchers.get(path) ?? []) hear();
    },
  });
  const openLog = (path: string, onChange: () => void) => {
    const others = watchers.get(path) ?? new Set();
    watchers.set(path, others.add(onChange));
    return {
      read: (into: Buffer, offset: number, length: number) =>
        (written.get(path) ?? Buffer.alloc(0)).copy(into, 0, offset, offset + length),
      close: () => void others.delete(onChange),
    };
  };
  return { machine, openLog };
}

/** A killed agent dials no more. */
function whileAlive(port: StreamPort, isAlive: () => boolean): StreamPort {
  const dead = () => Promise.reject(new SkyError("stream/closed", { why: "dead" }));
  return { ...port, dial: (...to) => (isAlive() ? port.dial(...to) : dead()) };
}

/** Time for actors and promises; nothing here waits for the world. */
async function settle(): Promise<void> {
  for (let round = 0; round < 30; round += 1) await turn();
}

function headOf(
  bus: ReturnType<typeof createBusHub>,
  clock: ReturnType<typeof createMemoryClock>,
  { heard, beats }: { readonly heard: Heard[]; readonly beats: Beat[] },
): ActorSystem {
  const link = bus.connect(headNode, everything);
  const options = { cluster: "demo", node: headNode, incarnation: 1, clock, log: silentLog };
  const head = createSystem({ ...options, bus: link });
  const listener: Actor<AgentReport, undefined, never, undefined> = {
    kind: "scheduler",
    fromOtherNodes: [
      ...(["rank-prepared", "rank-refused", "rank-started"] as const),
      ...(["rank-exited", "rank-swept", "inventory"] as const),
    ],
    start: () => ({ state: undefined, effects: [] }),
    step: (state, message) => {
      heard.push(message);
      return { state, effects: [] };
    },
    perform: () => {},
  };
  head.spawn(listener, "main", undefined);
  link.subscribe(beatSubject("demo", "worker1"), ({ payload }) => {
    const { message } = decodeEnvelope(payload);
    if (message.kind === "beat") beats.push(message);
  });
  return head;
}

function strangerOf(
  bus: ReturnType<typeof createBusHub>,
  clock: ReturnType<typeof createMemoryClock>,
  node: string,
): ActorSystem {
  const link = bus.connect(node, everything);
  return createSystem({ cluster: "demo", node, incarnation: 1, clock, bus: link, log: silentLog });
}

/** A head that keeps every byte it gets and says so. */
async function headLogs(streams: ReturnType<typeof createStreamHub>) {
  const logs = new Map<string, Buffer>();
  const ended = new Set<string>();
  const keep = async (channel: StreamChannel): Promise<void> => {
    const name = rankKeyText(parseLogHeader(channel.header));
    const have = () => logs.get(name) ?? Buffer.alloc(0);
    await channel.write(encodeOffset(have().length));
    for await (const bytes of channel) logs.set(name, Buffer.concat([have(), bytes]));
    await channel.write(encodeOffset(have().length));
    channel.end();
    ended.add(name);
  };
  await streams.connect(`demo/${headNode}`).listen({
    target,
    // A channel that was cut is opened again by the agent.
    onSession: (session) => session.onChannel((channel) => void keep(channel).catch(() => {})),
  });
  return { logs, ended };
}

export function prepare(steps: readonly ProgramStep[], over: Partial<RankSpec> = {}): AgentMessage {
  const spec: RankSpec = {
    taskName: "t",
    script: programText(steps),
    env: {},
    secrets: {},
    goWhenReady: true,
    ...over,
  };
  return { kind: "prepare", key, spec };
}

export function write(text: string): ProgramStep {
  return { do: "write", base64: Buffer.from(text).toString("base64") };
}
