// Two histories told as one: by time, each whole, and gone on with from any event's number.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event, NumberedEvent } from "../../model/event.ts";
import {
  joinedEvents,
  type OwnEvents,
  type TheirEvents,
  theirSeq,
} from "../../scheduler/remote/joined-events.ts";

function event(at: number, cause: string, actor = "scheduler"): Event {
  return { at, subject: "cluster", actor, kind: "noted", cause, evidence: {} };
}

interface Stage {
  readonly own: OwnEvents;
  readonly theirs: TheirEvents;
  addOwn(event: Event): void;
  addTheirs(event: Event): void;
  /** Who hears news of ours, and who follows theirs. */
  hearers(): number;
}

function stage(ours: readonly Event[], others: readonly Event[]): Stage {
  const list = [...ours];
  const numbered: NumberedEvent[] = others.map((one, index) => ({ ...one, seq: index * 3 + 5 }));
  const hearing = new Set<() => void>();
  return {
    own: {
      list: async () => list,
      onNews: (hear) => {
        hearing.add(hear);
        return () => hearing.delete(hear);
      },
    },
    theirs: async function* ({ afterSeq, follow, signal }) {
      let told = afterSeq;
      while (!signal.aborted) {
        const next = numbered.find(({ seq }) => seq > told);
        if (next !== undefined) {
          told = next.seq;
          yield next;
        } else if (!follow) return;
        else {
          await new Promise<void>((resolve) => {
            hearing.add(resolve);
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      }
    },
    addOwn: (one) => {
      list.push(one);
      for (const hear of hearing) hear();
    },
    addTheirs: (one) => {
      numbered.push({ ...one, seq: (numbered.at(-1)?.seq ?? 0) + 1 });
      for (const hear of hearing) hear();
    },
    hearers: () => hearing.size,
  };
}

async function all(here: Stage, afterSeq = 0): Promise<readonly NumberedEvent[]> {
  const events: NumberedEvent[] = [];
  const wanted = { afterSeq, follow: false, signal: new AbortController().signal };
  for await (const one of joinedEvents(here.own, here.theirs, wanted)) events.push(one);
  return events;
}

const causes = (events: readonly Event[]): readonly string[] => events.map(({ cause }) => cause);

test("both are told by time, numbers rise, and any number is a place to go on from", async () => {
  const here = stage(
    [event(1, "launched"), event(5, "up"), event(9, "idle")],
    [event(2, "joined"), event(3, "follows", "fleet"), event(5, "job"), event(8, "done")],
  );
  const events = await all(here);
  assert.deepEqual(causes(events), ["launched", "joined", "up", "job", "done", "idle"]);
  const seqs = events.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
  );
  for (const [index, { seq }] of events.entries()) {
    assert.deepEqual(causes(await all(here, seq)), causes(events.slice(index + 1)));
  }
  assert.deepEqual(events.map(({ seq }) => theirSeq(seq)).at(-1), 14);
});

test("a clock that goes backwards changes no order of one side", async () => {
  const here = stage([event(7, "a"), event(3, "b")], [event(6, "x"), event(2, "y")]);
  const told = causes(await all(here));
  assert.deepEqual(told, ["x", "y", "a", "b"]);
});

test("a number of an earlier cluster of that name begins at the beginning", async () => {
  const before = stage([event(1, "a"), event(2, "b")], []);
  const last = (await all(before)).at(-1)?.seq ?? 0;
  const now = stage([event(5, "new")], [event(6, "job")]);
  assert.deepEqual(causes(await all(now, last)), ["new", "job"]);
});

test("who follows hears both as they come, and leaves nobody hearing", async () => {
  const here = stage([event(1, "launched")], [event(2, "joined")]);
  const stop = new AbortController();
  const wanted = { afterSeq: 0, follow: true, signal: stop.signal };
  const seen: NumberedEvent[] = [];
  const next: readonly (() => void)[] = [
    () => here.addTheirs(event(3, "job")),
    () => here.addOwn(event(4, "stopping")),
    () => here.addTheirs(event(5, "follows", "fleet")),
    () => stop.abort(),
  ];
  const reading = (async () => {
    for await (const one of joinedEvents(here.own, here.theirs, wanted)) {
      seen.push(one);
      if (seen.length === 2) next[0]?.();
      if (seen.length === 3) next[1]?.();
      if (seen.length === 4) {
        next[2]?.();
        next[3]?.();
      }
    }
  })();
  await reading;
  assert.deepEqual(causes(seen), ["launched", "joined", "job", "stopping"]);
  assert.deepEqual(causes(await all(here, seen[2]?.seq)), ["stopping"]);
});

test("what breaks on their side ends the whole", async () => {
  const here = stage([event(1, "launched")], []);
  const broken: TheirEvents = async function* ({ follow }) {
    yield { ...event(2, "joined"), seq: 1 };
    if (follow) throw new Error("the tunnel broke");
  };
  const { signal } = new AbortController();
  const reading = joinedEvents(here.own, broken, { afterSeq: 0, follow: true, signal });
  const seen: Event[] = [];
  await assert.rejects(async () => {
    for await (const one of reading) seen.push(one);
  }, /the tunnel broke/);
  assert.deepEqual(causes(seen).slice(0, 2), ["launched", "joined"]);
});
