// Autostop: ends the cluster once it has been idle for long enough. The full table.
//
// It is stepped in the same turn as the jobs change, so there is no moment in which a job is in the
// records and this machine does not know of it: a shutdown is never asked for while a job is in any
// phase before its end. Every phase carries how many jobs there are, also `off`.
//
// The timer follows SkyPilot 0.3.0: changing the setting keeps the idleness so
// far; cancelling and setting it again, a submission, the end of the last job, and a start of the
// head restart it. A setting dies with a reboot of the head's machine and with a stop.

import type { Instant } from "../runtime/clock.ts";
import type { Table, Transition } from "../runtime/machine.ts";
import { machine } from "../runtime/machine.ts";

interface Setting {
  readonly idleMs: number;
  readonly verb: "stop" | "down";
  /** The boot of the head's machine in which it was set. */
  readonly bootId: string;
}

export type AutostopState =
  | { readonly phase: "off"; readonly running: number }
  | (Setting & { readonly phase: "busy"; readonly running: number })
  | (Setting & { readonly phase: "idle"; readonly since: Instant })
  | (Setting & { readonly phase: "stopping" });

export type AutostopEvent =
  | { readonly kind: "armed"; readonly idleMs: number; readonly verb: "stop" | "down" }
  | { readonly kind: "disarmed" }
  /** How many jobs have not ended, whenever that changed. */
  | { readonly kind: "jobs-changed"; readonly running: number }
  | { readonly kind: "due" }
  /** The head started again. */
  | { readonly kind: "resumed"; readonly running: number }
  /** The cluster takes jobs again after a stop. */
  | { readonly kind: "opened" };

export type AutostopEffect =
  | { readonly kind: "start-autostop-timer"; readonly ms: number }
  | { readonly kind: "cancel-autostop-timer" }
  | { readonly kind: "request-shutdown"; readonly verb: "stop" | "down" };

type Next = Transition<AutostopState, AutostopEffect>;

export const autostopTable: Table<AutostopState, AutostopEvent, AutostopEffect> = {
  off: {
    armed: ({ running }, { at, idleMs, verb }): Next => {
      const setting = { idleMs, verb, bootId: at.bootId };
      return running > 0 ? [{ phase: "busy", ...setting, running }, []] : wait(setting, at);
    },
    disarmed: "ignore",
    "jobs-changed": (_, { running }): Next => [{ phase: "off", running }, []],
    due: "ignore",
    resumed: (_, { running }): Next => [{ phase: "off", running }, []],
    opened: "ignore",
  },
  busy: {
    armed: (state, { at, idleMs, verb }): Next => [
      { ...state, idleMs, verb, bootId: at.bootId },
      [],
    ],
    disarmed: ({ running }): Next => [{ phase: "off", running }, []],
    "jobs-changed": (state, { at, running }): Next =>
      running > 0 ? [{ ...state, running }, []] : wait(settingOf(state), at),
    due: "ignore",
    resumed: (state, { at, running }): Next => resume(state, at, running),
    opened: "ignore",
  },
  idle: {
    armed: (state, { at, idleMs, verb }): Next => [
      { ...state, idleMs, verb, bootId: at.bootId },
      [timer(idleMs - elapsedMs(state.since, at))],
    ],
    disarmed: (): Next => [{ phase: "off", running: 0 }, [stopTimer]],
    "jobs-changed": (state, { running }): Next =>
      running > 0 ? [{ phase: "busy", ...settingOf(state), running }, [stopTimer]] : [state, []],
    due: (state, { at }): Next => {
      const left = state.idleMs - elapsedMs(state.since, at);
      if (left > 0) return [state, [timer(left)]];
      const { verb } = state;
      return [{ phase: "stopping", ...settingOf(state) }, [{ kind: "request-shutdown", verb }]];
    },
    resumed: (state, { at, running }): Next => resume(state, at, running),
    opened: (state, { at }): Next => wait(settingOf(state), at),
  },
  // The cluster takes no jobs any more, so nothing can become busy here.
  stopping: {
    armed: "reject",
    disarmed: "reject",
    "jobs-changed": "ignore",
    due: "ignore",
    resumed: (state): Next => [state, [{ kind: "request-shutdown", verb: state.verb }]],
    opened: (): Next => [{ phase: "off", running: 0 }, []],
  },
};

export const stepAutostop = machine<AutostopState, AutostopEvent, AutostopEffect>(autostopTable);

/** How long the cluster has been idle. Also right across a start of the head on the same boot. */
export function elapsedMs(since: Instant, at: Instant): number {
  return since.bootId === at.bootId ? at.monoMs - since.monoMs : at.wallMs - since.wallMs;
}

function resume(state: Setting, at: Instant, running: number): Next {
  if (state.bootId !== at.bootId) return [{ phase: "off", running }, [stopTimer]];
  const setting = settingOf(state);
  return running > 0 ? [{ phase: "busy", ...setting, running }, []] : wait(setting, at);
}

function wait(setting: Setting, since: Instant): Next {
  return [{ phase: "idle", ...setting, since }, [timer(setting.idleMs)]];
}

function settingOf({ idleMs, verb, bootId }: Setting): Setting {
  return { idleMs, verb, bootId };
}

function timer(ms: number): AutostopEffect {
  return { kind: "start-autostop-timer", ms: Math.max(0, ms) };
}

const stopTimer: AutostopEffect = { kind: "cancel-autostop-timer" };
