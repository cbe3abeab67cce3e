// What the agent does: the effects of its actor (`agent-actor.ts`), carried out.
//
// What goes wrong is an answer to the actor, never a throw: the head hears of it and decides.

import { errorText } from "../model/errors.ts";
import { rankDir } from "../model/home.ts";
import type { RankKey, SweepRecord } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import type { EffectContext } from "../runtime/actor.ts";
import type { AgentActorMessage } from "./agent-actor.ts";
import type { AgentEffect, AgentPorts } from "./agent-effects.ts";
import { isJobsFault } from "./job-fault.ts";
import type { RankEvent } from "./rank.ts";
import { unlessNoRoom } from "./rank-records.ts";

type Context = EffectContext<AgentActorMessage>;

export async function performAgent(
  ports: AgentPorts,
  effect: AgentEffect,
  context: Context,
): Promise<void> {
  const { home, process, logs, records } = ports;
  switch (effect.kind) {
    case "prepare":
      await prepareRank(ports, effect, context);
      break;
    case "go":
      process.go(rankDir(home, effect.key), effect.lease);
      break;
    case "terminate":
      ports.workdir.cancel(effect.key);
      await terminateRank(ports, effect, context.clock.now().wallMs);
      break;
    case "sweep":
      await sweepRank(ports, effect.key, context);
      break;
    case "ship-log":
      logs.ship(effect.key);
      break;
    case "end-log":
      logs.end(effect.key, effect.logBytes);
      break;
    case "renew":
      process.renew(effect.from);
      break;
    case "forget":
      process.release(rankDir(home, effect.key));
      logs.forget(effect.key);
      ports.workdir.cancel(effect.key);
      await records.remove(effect.key);
      await ports.workdir.forget(effect.key);
      break;
    case "leave-workdir":
      ports.workdir.ended(effect.rank);
      break;
    case "connect":
      await ports.connect();
      break;
    case "leave":
      await leaveHost(ports, effect, context);
      break;
    case "answer":
      context.tell(effect.to, { kind: "inspection", json: inspected(ports, effect.json) });
      break;
  }
}

/** Never throws: the sweep that follows says what became of it. */
async function terminateRank(
  { home, process, records, log }: AgentPorts,
  { key, why, graceMs }: Extract<AgentEffect, { readonly kind: "terminate" }>,
  wallMs: number,
): Promise<void> {
  try {
    await unlessNoRoom(log, records.writeStop(key, { why, graceMs, wallMs }));
    await process.signal(rankDir(home, key), "TERM");
  } catch (error) {
    log.error("stop failed", { rank: rankKeyText(key), why: errorText(error) });
  }
}

/** Never throws: what goes wrong is the answer. */
async function prepareRank(
  { home, process, records, workdir }: AgentPorts,
  { key, spec }: Extract<AgentEffect, { readonly kind: "prepare" }>,
  context: Context,
): Promise<void> {
  const answer = (event: RankEvent): void => context.tellSelf({ kind: "rank-event", key, event });
  let fault: { readonly fault?: "job" } = {};
  try {
    await records.writeSecrets(key, Object.values(spec.secrets));
    const cwd = await workdir.lay(key, spec).catch((error: unknown) => {
      if (isJobsFault(error)) fault = { fault: "job" };
      throw error;
    });
    const place = workdir.ownPlace(key);
    if (place !== undefined) answer({ kind: "laid", place });
    await process.prepare({
      dir: rankDir(home, key),
      script: spec.script,
      cwd,
      home: home.home,
      env: { ...spec.env, ...spec.secrets },
      goWhenReady: spec.goWhenReady,
      leased: spec.leaseMs !== undefined,
    });
    answer({ kind: "prepared" });
  } catch (error) {
    answer({ kind: "refused", why: errorText(error), ...fault });
  }
}

/** Without an answer it is asked again, as long as it is there. */
async function leaveHost(
  { onLeave, log }: AgentPorts,
  { to, order }: Extract<AgentEffect, { readonly kind: "leave" }>,
  context: Context,
): Promise<void> {
  try {
    const kept = await onLeave?.(order);
    if (kept !== undefined) context.tell(to, { kind: "left", kept });
  } catch (error) {
    log.error("the host cannot be left", { why: errorText(error) });
  }
}

/** With what only the ports know. */
function inspected({ workdir }: AgentPorts, json: string): string {
  return JSON.stringify({ ...JSON.parse(json), workdir: workdir.counts() });
}

/** Never throws: a sweep that failed found nothing and proved nothing, and is repeated. */
async function sweepRank(ports: AgentPorts, key: RankKey, context: Context): Promise<void> {
  const { node, process, records, home, log } = ports;
  let sweep: SweepRecord;
  try {
    sweep = { node, ...(await process.sweep(rankDir(home, key))) };
    await unlessNoRoom(log, records.writeSweep(key, sweep));
  } catch (error) {
    const why = errorText(error);
    log.error("sweep failed", { rank: rankKeyText(key), why });
    sweep = { node, found: 0, killed: 0, survivors: 1, unproven: [`the sweep failed: ${why}`] };
  }
  context.tellSelf({ kind: "rank-event", key, event: { kind: "swept", sweep } });
}
