// The clearing up at the end of a transfer: deletes of a sync, uploads, what gateways have left.
//
// A gateway that is gone keeps what it has: that is told by name, and no failure. Uploads are ended
// from here, whoever began them: those that gateways told of, and those that stand under the names
// of our objects without having been there before. What may be gone on with is left as it is.
//
// What must always hold: a delete happens only after everything arrived and the whole source was
// listed, and never outside what the destination names.

import { errorText } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import type { Ledger, ToldUpload } from "../../transfer/job/ledger.ts";
import { deletesBarred } from "../../transfer/job/sync.ts";
import type { TransferEnd } from "../../transfer/job/transfer-machine.ts";
import { removeFiles } from "./file-trees.ts";
import type { Ground } from "./ground-os.ts";
import { listedFact } from "./listing.ts";
import type { RunPorts } from "./run-ports.ts";

export interface ClearingOptions {
  readonly ports: RunPorts;
  readonly order: TransferOrder;
  readonly ledger: Ledger;
  readonly ground: Ground;
  readonly end: TransferEnd;
  readonly rounds: number;
  /** Gateways that were begun with and have not said that nothing is left. Ends them. */
  readonly clearGateways: (signal: AbortSignal) => Promise<readonly string[]>;
}

export const deletedFact = "deleted";
export const uploadsBeforeFact = "uploads-before";
const deleteKeysMax = 1_000;

/** What could not be done, a sentence each. */
export async function clearUp(
  options: ClearingOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { end, order, ledger } = options;
  const wrong: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      wrong.push(`${what}: ${errorText(error)}`);
    }
  };
  if (end.outcome === "succeeded" && order.verb === "sync" && barred(options) === "") {
    await attempt("what the source does not have is not all deleted", () =>
      deleteSurplus(options, signal),
    );
  }
  if (end.leave === "keep") return wrong;
  const left = await options.clearGateways(signal);
  if (end.outcome !== "succeeded") wrong.push(...left);
  if (ledger.fact(startedFact) === undefined) return wrong;
  const before = wrong.length;
  await attempt("uploads may be left", () => abortUploads(options, signal));
  if (end.outcome !== "succeeded") return wrong;
  // Everything arrived all the same: an operator may look.
  for (const why of wrong.splice(before)) options.ports.log.warn("after a transfer", { why });
  return wrong;
}

/** Gateways have begun once. */
export const startedFact = "started";

function barred({ order, ledger }: ClearingOptions): string {
  const { failed } = ledger.counts();
  const isListed = ledger.fact(listedFact) !== undefined;
  return deletesBarred({ isAsked: order.options.delete, isListed, failed, listingFailures: 0 });
}

async function deleteSurplus(options: ClearingOptions, signal: AbortSignal): Promise<void> {
  const { ledger, ground, ports } = options;
  const roots = ground.roots();
  let deleted = Number(ledger.fact(deletedFact) ?? 0);
  for (const [at, { place }] of ground.ends.destinations.entries()) {
    for (let after = ""; ; ) {
      const keys = ledger.surplus(at, after, deleteKeysMax);
      if (keys.length === 0) break;
      if (place.kind === "store") await (await ground.stores.get(place.store)).delete(keys, signal);
      else {
        const path = roots[at] ?? place.path;
        await removeFiles({ doors: ports.doors, gateway: place.gateway, path }, keys, signal);
      }
      // What is gone needs no second look, also after a crash.
      ledger.keepThere(at, keys);
      deleted += keys.length;
      ledger.setFact(deletedFact, String(deleted));
      after = keys.at(-1) ?? "";
    }
  }
}

async function abortUploads(options: ClearingOptions, signal: AbortSignal): Promise<void> {
  const { ledger, ground, end } = options;
  const told = ledger.uploadsOpen();
  // All that were told of are complete, and no gateway died before it could tell of one.
  if (end.outcome === "succeeded" && told.length === 0 && options.rounds <= 1) return;
  for (const one of [...told, ...(await strays(options, signal))]) {
    const place = ground.ends.destinations[one.destination]?.place;
    if (place?.kind !== "store") continue;
    await (await ground.stores.get(place.store)).abort(one.upload, signal);
    ledger.forgetUpload(one);
  }
}

/** Of ours, but nobody told of them: their gateway died in between. */
async function strays(
  { ledger, ground }: ClearingOptions,
  signal: AbortSignal,
): Promise<readonly ToldUpload[]> {
  const known = ledger.fact(uploadsBeforeFact);
  if (known === undefined) return [];
  const before = new Set(JSON.parse(known) as string[]);
  const all = await uploadsAt(ground, signal);
  return all.filter(
    ({ destination, upload }) => !before.has(upload.id) && ledger.isTarget(destination, upload.key),
  );
}

/** All that are under way where the destinations are, of whoever. */
export async function uploadsAt(
  ground: Ground,
  signal: AbortSignal,
): Promise<readonly ToldUpload[]> {
  const found: ToldUpload[] = [];
  for (const [destination, { place }] of ground.ends.destinations.entries()) {
    if (place.kind !== "store") continue;
    const store = await ground.stores.get(place.store);
    const uploads = (await store.uploads?.(place.key, signal)) ?? [];
    found.push(...uploads.map((upload) => ({ destination, upload })));
  }
  return found;
}
