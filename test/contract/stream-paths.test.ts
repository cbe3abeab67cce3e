// Sessions over TCP on paths that are long, frozen or shared: windows grow with the round trip,
// who is gone is given up and who is busy is not, and who hoards memory pays for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createOsClock } from "../../runtime/clock-os.ts";
import { MemoryBudget } from "../../runtime/memory-budget.ts";
import type { SessionLimits } from "../../runtime/session-limits.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createTcpStreams, type StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { pattern, readAll, take } from "./stream-joining.ts";

const clock = createOsClock();
const mebibyte = 1024 * 1024;

interface End {
  readonly port: StreamTcpPort;
  readonly budget: MemoryBudget;
  readonly session: StreamSession;
}

interface Scene {
  readonly proxy: FaultProxy;
  readonly dialler: End;
  readonly listener: End;
  /** One more session from another port, past the proxy. */
  another(): Promise<StreamSession>;
}

interface SceneOptions {
  readonly limits?: Partial<SessionLimits>;
  readonly heldBytesMax?: number;
}

function check(what: string, options: SceneOptions, run: (scene: Scene) => Promise<void>): void {
  test(`stream paths: ${what}`, { timeout: 30_000 }, async () => {
    const { limits = {}, ...memory } = options;
    const make = (peer: string): Omit<End, "session"> => {
      const budget = new MemoryBudget(memory);
      const security = { kind: "plain", peer } as const;
      return { budget, port: createTcpStreams({ security, clock, limits, budget }) };
    };
    const [there, here] = [make("demo/a"), make("demo/b")];
    const sessions: StreamSession[] = [];
    const listener = await there.port.listen({
      target: { host: "127.0.0.1", port: 0 },
      onSession: (session) => sessions.push(session),
    });
    const { target } = listener;
    const proxy = await startFaultProxy({ listen: { port: 0 }, target: () => target });
    const dial = (port: StreamTcpPort, at: number): Promise<StreamSession> =>
      port.dial({ host: "127.0.0.1", port: at }, AbortSignal.timeout(20_000));
    try {
      const session = await dial(here.port, proxy.port);
      await until("both ends are there", () => sessions.length === 1);
      const [accepted = assert.fail()] = sessions;
      await run({
        proxy,
        dialler: { ...here, session },
        listener: { ...there, session: accepted },
        another: () => dial(make("demo/b").port, target.port),
      });
    } finally {
      await proxy.close();
      await listener.close();
    }
    const empty = { windows: 0, held: 0 };
    await until("nothing is held any more", () =>
      [here, there].every(({ budget }) => {
        const { windows, held } = budget.counts();
        return windows === empty.windows && held === empty.held;
      }),
    );
  });
}

for (const side of ["dialler", "listener"] as const) {
  check(`windows grow with the round trip where the ${side} reads`, {}, async (scene) => {
    const [reader, writer] =
      side === "dialler" ? [scene.dialler, scene.listener] : [scene.listener, scene.dialler];
    scene.proxy.delay(20);
    const channel = writer.session.open(Buffer.from("far"));
    const [there] = await take(reader.session, 1);
    const piece = pattern(mebibyte, 3);
    const sent = (async () => {
      for (let count = 0; count < 96; count += 1) await channel.write(piece);
      channel.end();
    })();
    let widest = 0;
    let bytes = 0;
    await there.lend((part) => {
      bytes += part.length;
      widest = Math.max(widest, reader.budget.counts().windows);
    });
    await sent;
    assert.equal(bytes, 96 * mebibyte);
    assert.ok(widest > 2 * mebibyte, `${widest}`);
  });
}

check("a peer that is frozen is given up, at both ends", { limits: { pingMs: 60 } }, async (s) => {
  const channel = s.dialler.session.open(Buffer.from("x"));
  s.proxy.freeze();
  const stuck = assert.rejects(async () => {
    for (;;) await channel.write(pattern(mebibyte, 1));
  });
  assert.match(await s.dialler.session.closed, /silent/);
  assert.match(await s.listener.session.closed, /silent/);
  await stuck;
  assert.equal(s.dialler.port.counts().faults.silent, 1);
});

check("a full channel that nobody reads is no silence", { limits: { pingMs: 60 } }, async (s) => {
  const channel = s.dialler.session.open(Buffer.from("x"));
  const [there] = await take(s.listener.session, 1);
  const writing = channel.write(pattern(8 * mebibyte, 1)).then(() => channel.end());
  let over = false;
  void s.dialler.session.closed.then(() => {
    over = true;
  });
  const heard = (): number => s.dialler.port.counts().traffic.framesReceived;
  const before = heard();
  // Each of them is a ping or a pong: more time has passed than silence would be borne.
  await until("it was pinged for long", () => heard() >= before + 16);
  assert.equal(over, false);
  assert.equal((await readAll(there)).length, 8 * mebibyte);
  await writing;
});

check("a loop of ours that was blocked gives nobody up", { limits: { pingMs: 60 } }, async (s) => {
  let over = "";
  for (const { session } of [s.dialler, s.listener]) {
    void session.closed.then((why) => {
      over = why;
    });
  }
  for (let round = 0; round < 4; round += 1) {
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(over, "");
  const channel = s.dialler.session.open(Buffer.from("x"));
  const [there] = await take(s.listener.session, 1);
  await channel.write(Buffer.from("still here"));
  channel.end();
  assert.equal((await readAll(there)).toString(), "still here");
});

check(
  "who leaves too much unread is ended, and nobody else",
  { heldBytesMax: 3 * mebibyte, limits: { windowBytes: 64 * 1024 } },
  async ({ dialler, listener, another }) => {
    const hoard = Array.from({ length: 60 }, (_, index) => dialler.session.open(Buffer.of(index)));
    const stuck = hoard.map((channel) => assert.rejects(channel.write(pattern(mebibyte, 1))));
    assert.match(await listener.session.closed, /left \d+ bytes unread/);
    await Promise.all(stuck);
    assert.equal(listener.port.counts().faults.memory, 1);
    assert.ok(listener.budget.counts().held <= 3 * mebibyte);
    const good = await another();
    assert.equal(good.peer, "demo/b");
    good.close();
  },
);
