// What a sink of a fan-out decides: whom to fetch from, what to say, when to go on alone or end.
//
// The coordinator at the source says whom to follow. While it cannot be reached, the sink goes on
// with the parent that it has, tries that one again by itself, and dials the source again; what it
// said and heard before is then void, and only the exchange under way lives on. It fails when it
// has neither heard a word nor got a chunk for too long. A sink that has everything keeps serving
// until it is released.
//
// What must always hold: one exchange at a time; nothing is said of an order of an earlier
// connection; it ends once.

import type { Parent, SinkMessage } from "./control.ts";

export interface SinkRules {
  /** Progress is said at most this often. */
  readonly progressMs: number;
  /** Neither a word of the coordinator nor a chunk for so long: it fails. */
  readonly silenceMs: number;
  /** The wait before the source is dialled again; it doubles, up to the second number. */
  readonly redialMs: number;
  readonly redialMsMax: number;
  /** Before it tries its parent again, while there is nobody to ask for another. */
  readonly retryMs: number;
  /** Who has everything waits so long at most to be released. */
  readonly lingerMs: number;
}

export const sinkRulesDefault: SinkRules = {
  progressMs: 500,
  silenceMs: 120_000,
  redialMs: 1_000,
  redialMsMax: 15_000,
  retryMs: 3_000,
  lingerMs: 3_600_000,
};

export type SinkEvent = {
  readonly at: number;
} /** The coordinator took it in, on a new connection. */ & (
  | { readonly type: "joined" }
  /** The connection is gone, or could not be made. */
  | { readonly type: "cut"; readonly why: string }
  | { readonly type: "follow"; readonly move: number; readonly parent: Parent | undefined }
  | { readonly type: "released" }
  | { readonly type: "dropped"; readonly why: string }
  /** So many bytes are safe; `found` if they were on the disk already, or are lost again. */
  | {
      readonly type: "safe";
      readonly bytes: number;
      readonly whole: boolean;
      readonly found: boolean;
    }
  /** The exchange of that run ended, and gave all that the parent has. */
  | { readonly type: "fetched"; readonly run: number }
  | { readonly type: "fetch-failed"; readonly run: number; readonly why: string }
  | { readonly type: "tick" }
);

export type SinkEffect =
  | { readonly type: "dial" }
  | { readonly type: "say"; readonly message: SinkMessage }
  /** Fetches what lacks. It takes the place of any exchange before. */
  | { readonly type: "fetch"; readonly run: number; readonly from: Parent }
  | { readonly type: "stop" }
  | { readonly type: "end"; readonly outcome: SinkEnd };

export type SinkEnd =
  | { readonly outcome: "done" }
  /** It was given up by the source, or has given up the source. */
  | { readonly outcome: "dropped" | "abandoned"; readonly why: string };

interface Order {
  readonly move: number;
  readonly parent: Parent;
  /** Whether the connection that it came by still stands. */
  readonly isCurrent: boolean;
}

interface Run {
  readonly number: number;
  readonly from: Parent;
  readonly running: boolean;
  readonly endedAt: number;
}

export interface SinkState {
  readonly rules: SinkRules;
  readonly link: "up" | "dialling" | "down";
  readonly redialAt: number;
  readonly redialMs: number;
  readonly why: string;
  readonly order: Order | undefined;
  readonly run: Run;
  readonly safe: number;
  readonly whole: boolean;
  readonly found: boolean;
  /** What was said last on this connection, and when. */
  readonly said: { readonly safe: number; readonly at: number };
  /** The last word or chunk. */
  readonly livelyAt: number;
  readonly wholeAt: number;
  readonly over: boolean;
}

export type SinkStep = readonly [state: SinkState, effects: readonly SinkEffect[]];

export function startSink(rules: SinkRules, at: number): SinkStep {
  const state: SinkState = {
    ...{ rules, link: "dialling", redialAt: 0, redialMs: rules.redialMs, why: "" },
    ...{ order: undefined, safe: 0, whole: false, found: false, wholeAt: at, over: false },
    run: { number: 0, from: "source", running: false, endedAt: at },
    ...{ said: { safe: -1, at }, livelyAt: at },
  };
  return [state, [{ type: "dial" }]];
}

export function stepSink(state: SinkState, event: SinkEvent): SinkStep {
  if (state.over) return [state, []];
  switch (event.type) {
    case "joined":
      return joined(state, event.at);
    case "cut":
      return cut(state, event);
    case "follow":
      return follow({ ...state, livelyAt: event.at }, event);
    case "released":
      // Whoever is released lacks nothing, or lost something since: then it is not done.
      return end(state, state.whole ? { outcome: "done" } : dropped("released before its end"));
    case "dropped":
      return end(state, dropped(event.why));
    case "safe":
      return safe(state, event);
    case "fetched":
      return fetched(state, event);
    case "fetch-failed":
      return fetchFailed(state, event);
    case "tick":
      return tick(state, event.at);
  }
}

function dropped(why: string): SinkEnd {
  return { outcome: "dropped", why };
}

// ---- the connection to the coordinator

function joined(state: SinkState, at: number): SinkStep {
  const { order, rules, safe: bytes } = state;
  const next: SinkState = {
    ...{ ...state, link: "up", redialMs: rules.redialMs, livelyAt: at },
    order: order === undefined ? undefined : { ...order, isCurrent: false },
    said: { safe: bytes, at },
  };
  return [next, [{ type: "say", message: { type: "progress", safe: bytes, found: true } }]];
}

function cut(
  state: SinkState,
  { why, at }: { readonly why: string; readonly at: number },
): SinkStep {
  const { redialMs, rules, order } = state;
  const next: SinkState = {
    ...{ ...state, link: "down", redialAt: at + redialMs, why },
    // Silence is counted from the cut, not from the last word before it.
    livelyAt: state.link === "up" ? at : state.livelyAt,
    redialMs: Math.min(redialMs * 2, rules.redialMsMax),
    order: order === undefined ? undefined : { ...order, isCurrent: false },
  };
  return [next, []];
}

// ---- whom to fetch from

function follow(
  state: SinkState,
  { move, parent }: { readonly move: number; readonly parent: Parent | undefined },
): SinkStep {
  const { run, order } = state;
  if (parent === undefined) {
    const stopped = { ...state, order: undefined, run: { ...run, running: false } };
    return [stopped, run.running ? [{ type: "stop" }] : []];
  }
  const next = { ...state, order: { move, parent, isCurrent: true } };
  if (state.whole) return [next, []];
  // Joined anew: what it is doing is what it is told to do.
  const isNew = order === undefined || !order.isCurrent;
  if (isNew && run.running && sameParent(run.from, parent)) return [next, []];
  return begin(next, parent);
}

function begin(state: SinkState, from: Parent): SinkStep {
  const run = { ...state.run, number: state.run.number + 1, from, running: true };
  return [{ ...state, run }, [{ type: "fetch", run: run.number, from }]];
}

function fetched(
  state: SinkState,
  { run, at }: { readonly run: number; readonly at: number },
): SinkStep {
  if (run !== state.run.number || !state.run.running) return [state, []];
  const ended = { ...state, run: { ...state.run, running: false, endedAt: at } };
  // Something was lost on the way, or was found damaged.
  if (!state.whole && ended.order !== undefined) return begin(ended, ended.order.parent);
  return [ended, []];
}

function fetchFailed(
  state: SinkState,
  { run, why, at }: { readonly run: number; readonly why: string; readonly at: number },
): SinkStep {
  if (run !== state.run.number || !state.run.running) return [state, []];
  const ended = { ...state, run: { ...state.run, running: false, endedAt: at }, why };
  const { order } = state;
  if (order?.isCurrent !== true || state.link !== "up") return [ended, []];
  return [ended, [{ type: "say", message: { type: "failed", move: order.move, why } }]];
}

// ---- what it has

function safe(state: SinkState, event: Extract<SinkEvent, { type: "safe" }>): SinkStep {
  const { bytes, whole, found, at } = event;
  const next: SinkState = {
    ...{ ...state, safe: bytes, whole, found: state.found || found },
    livelyAt: bytes > state.safe ? at : state.livelyAt,
    wholeAt: whole && !state.whole ? at : state.wholeAt,
  };
  const isTurn = whole !== state.whole;
  return isTurn ? say(next, at) : [next, []];
}

/** Says how far it is, if there is anybody to hear it and anything new. */
function say(state: SinkState, at: number): SinkStep {
  const { link, safe: bytes, said, found } = state;
  if (link !== "up" || said.safe === bytes) return [state, []];
  const message: SinkMessage = { type: "progress", safe: bytes, found };
  return [{ ...state, said: { safe: bytes, at }, found: false }, [{ type: "say", message }]];
}

// ---- time

function tick(state: SinkState, at: number): SinkStep {
  const { rules, whole, wholeAt, livelyAt, link } = state;
  const isForgotten = link !== "up" && at - livelyAt >= rules.silenceMs;
  if (whole && (isForgotten || at - wholeAt >= rules.lingerMs)) {
    return end(state, { outcome: "done" });
  }
  if (isForgotten) {
    const why = `nothing came for ${rules.silenceMs} ms: ${state.why}`;
    return end(state, { outcome: "abandoned", why });
  }
  if (link === "up") return at - state.said.at < rules.progressMs ? [state, []] : say(state, at);
  return alone(state, at);
}

/** While there is no coordinator to ask. */
function alone(state: SinkState, at: number): SinkStep {
  const { link, redialAt, run, order, whole, rules } = state;
  const isDue = link === "down" && at >= redialAt;
  const dialling: SinkState = isDue ? { ...state, link: "dialling" } : state;
  const effects: readonly SinkEffect[] = isDue ? [{ type: "dial" }] : [];
  const tries = order !== undefined && !whole && !run.running && at - run.endedAt >= rules.retryMs;
  if (!tries) return [dialling, effects];
  const [next, more] = begin(dialling, order.parent);
  return [next, [...effects, ...more]];
}

function end(state: SinkState, outcome: SinkEnd): SinkStep {
  const stop: readonly SinkEffect[] = state.run.running ? [{ type: "stop" }] : [];
  return [{ ...state, over: true }, [...stop, { type: "end", outcome }]];
}

function sameParent(a: Parent, b: Parent): boolean {
  if (a === "source" || b === "source") return a === b;
  return a.peer === b.peer && a.host === b.host && a.port === b.port;
}
