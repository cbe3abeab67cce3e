// Who gives the bundle to whom next, so that it leaves the client once and arrives soon. Pure.
//
// A tree that adapts: one host gets it from us; whoever has it gives it to two others at a time,
// and those give it on. A host that could not get it from another gets it from us.
//
// What must always hold: while some host has it or is getting it, nobody who may still get it from
// a host gets it from us; every host ends as one that has it or one that failed.

import { assert } from "../../model/errors.ts";

/** We, or a host by its place in the list. */
export type Giver = "us" | number;

export interface Transfer {
  readonly from: Giver;
  readonly to: number;
}

/** `refused`: this giver and this receiver do not get together. */
export type TransferEnd = "done" | "refused" | "failed";

export interface SpreadHost {
  readonly phase: "lacks" | "getting" | "has" | "failed";
  /** From others nothing comes here. */
  readonly straight: boolean;
  /** All of it has come from another host: that one may give to others meanwhile. */
  readonly sent: boolean;
  /** To how many it is giving now, has given, and could not give. */
  readonly gives: number;
  readonly given: number;
  readonly refused: number;
}

export type Spread = readonly SpreadHost[];

/** More at a time take longer each, and longer until the first of them can give on. */
const givesMax = 2;
/** Of one that nobody has got anything from so far: it may stand behind a wall. */
const refusedMax = 2;

export function startSpread(has: readonly boolean[]): Spread {
  return has.map((one) => ({
    ...{
      phase: one ? "has" : "lacks",
      straight: false,
      sent: false,
      gives: 0,
      given: 0,
      refused: 0,
    },
  }));
}

/** What can begin now, and the spread in which it has begun. */
export function nextTransfers(spread: Spread): readonly [Spread, readonly Transfer[]] {
  const begun: Transfer[] = [];
  let now = spread;
  for (const to of spread.keys()) {
    const from = giverFor(now, to, begun);
    if (from === undefined) continue;
    begun.push({ from, to });
    now = changed(now, to, { phase: "getting", sent: false });
    now = withGiver(now, from, ({ gives }) => ({ gives: gives + 1 }));
  }
  return [now, begun];
}

function giverFor(spread: Spread, to: number, begun: readonly Transfer[]): Giver | undefined {
  const host = spread[to];
  if (host?.phase !== "lacks") return undefined;
  if (host.straight) return "us";
  const [free] = [...spread.entries()]
    .filter(([, one]) => one.phase === "has" && canGive(one) && one.gives < givesMax)
    .sort(([, a], [, b]) => a.gives - b.gives);
  if (free !== undefined) return free[0];
  const isComing = spread.some(
    (one) => canGive(one) && (one.phase === "has" || one.phase === "getting"),
  );
  return isComing || begun.some(({ from }) => from === "us") ? undefined : "us";
}

function canGive({ given, refused }: SpreadHost): boolean {
  return given > 0 || refused < refusedMax;
}

/** The last byte is on its way; what is done with it takes longer than that took. */
export function afterSent(spread: Spread, { from, to }: Transfer): Spread {
  const receiver = spread[to];
  if (receiver?.phase !== "getting" || receiver.sent) return spread;
  const freed = withGiver(spread, from, ({ gives }) => ({ gives: gives - 1 }));
  return changed(freed, to, { sent: true });
}

export function afterTransfer(spread: Spread, transfer: Transfer, end: TransferEnd): Spread {
  const { from, to } = transfer;
  assert(spread[to]?.phase === "getting", "only what has begun ends");
  const freed = withGiver(afterSent(spread, transfer), from, ({ given, refused }) => ({
    given: given + (end === "done" ? 1 : 0),
    refused: refused + (end === "refused" ? 1 : 0),
  }));
  if (end === "done") return changed(freed, to, { phase: "has" });
  if (end === "refused" && from !== "us") {
    return changed(freed, to, { phase: "lacks", straight: true });
  }
  return changed(freed, to, { phase: "failed" });
}

function withGiver(
  spread: Spread,
  from: Giver,
  change: (giver: SpreadHost) => Partial<SpreadHost>,
): Spread {
  const giver = from === "us" ? undefined : spread[from];
  return giver === undefined || from === "us" ? spread : changed(spread, from, change(giver));
}

function changed(spread: Spread, at: number, change: Partial<SpreadHost>): Spread {
  return spread.map((host, index) => (index === at ? { ...host, ...change } : host));
}
