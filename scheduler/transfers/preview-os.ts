// What a transfer would do, before anything is started: what becomes what, by which plan.
//
// It looks at both ends as a round does, into a ledger in memory, and stops listing when it has
// seen enough for a picture. Nothing is written anywhere.

import { isSkyError } from "../../model/errors.ts";
import type { TransferOrder, TransferPreview } from "../../model/transfer.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { bytesToPlan, planRound } from "../../transfer/job/planning.ts";
import { bucketText, transferPathText } from "../../transfer/stores/paths.ts";
import { findGround, type Ground, type GroundOptions } from "./ground-os.ts";
import { openLedger } from "./ledger-sqlite.ts";
import { type ListingOptions, runListing } from "./listing.ts";
import type { RunPorts } from "./run-ports.ts";
import type { OpenSource, SourcePage } from "./sources.ts";
import type { TransferCall } from "./transfers.ts";

/** Objects of the source that are listed for a preview. */
export const previewObjectsMax = 10_000;
const sampleMax = 5;
const notesMax = 20;

/** Between looks at a store that has no time just now. */
const pausesMs = [500, 1_000, 2_000] as const;
/** The store's own client has tried for some time, too. */
const patienceMs = 10_000;

/** @throws SkyError as `Transfers.preview`; what may pass, only after some seconds. */
export async function previewTransfer(
  ports: RunPorts,
  order: TransferOrder,
  call: TransferCall,
): Promise<TransferPreview> {
  const { clock } = ports;
  const lateMs = clock.now().monoMs + patienceMs;
  for (const ms of pausesMs) {
    try {
      return await previewOnce(ports, order, call);
    } catch (error) {
      const isOver = call.signal.aborted || clock.now().monoMs + ms > lateMs;
      if (isOver || !isSkyError(error) || error.remedy !== "retry") throw error;
      await pause(ports, ms);
    }
  }
  return await previewOnce(ports, order, call);
}

function pause({ clock }: RunPorts, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(ms, resolve);
  return promise;
}

async function previewOnce(
  ports: RunPorts,
  order: TransferOrder,
  { env = {}, signal }: TransferCall,
): Promise<TransferPreview> {
  const ledger = openLedger(":memory:");
  const sites = await ports.doors.sites(signal);
  const options: GroundOptions = { ports, order, ledger, env };
  const ground = await findGround(options, sites, signal);
  try {
    const notes: string[] = [];
    const source = cutOff(await ground.openSource(signal));
    if (order.verb === "sync") await ground.listThere(signal);
    const destinations = await ground.listed();
    const checksums: ListingOptions["checksums"] = (name, there) =>
      ground.checksums(name, there, signal);
    const listing = { order, source, ledger, destinations, checksums, onAdded: () => {} };
    const onNote = ({ path, why }: { readonly path: string; readonly why: string }): void => {
      if (notes.length < notesMax) notes.push(`${path} is left out: ${why}`);
    };
    await runListing({ ...listing, onNote }, signal);
    const { todo, listedBytes, failed } = ledger.counts();
    if (failed > 0) notes.push(`${failed} cannot be copied: ${ledger.failures(0, 1)[0]?.why}`);
    const regions = await ground.regions(signal);
    const { plan } = await planRound({
      ...{ ends: ground.ends, sites, options: order.options, regions },
      bytes: bytesToPlan(ledger),
      ...{ grid: await ports.grid(order.options), prices: ports.prices, plan: ports.plan },
      ...{ avoided: new Set(), absent: new Set() },
    });
    const isPart = source.isCut();
    const isDeleting = order.verb === "sync" && order.options.delete && !isPart;
    return {
      ...{ plan, objects: todo, bytes: listedBytes, isPart, failed, notes },
      sample: sampleOf(order, ground, ledger.todo(-1, sampleMax)),
      deletes: isDeleting ? ledger.surplusCount() : 0,
    };
  } finally {
    await ground.close();
    ledger.close();
  }
}

/** The same source, up to what a preview looks at. */
function cutOff(source: OpenSource): OpenSource & { isCut(): boolean } {
  let isCut = false;
  async function* some(): AsyncGenerator<SourcePage> {
    let count = 0;
    for await (const page of source.pages) {
      yield page;
      count += page.objects.length;
      if (count < previewObjectsMax) continue;
      isCut = true;
      return;
    }
  }
  return { ...source, pages: some(), isCut: () => isCut };
}

type Sampled = TransferPreview["sample"][number];

function sampleOf(
  order: TransferOrder,
  ground: Ground,
  objects: readonly { rest: string; bytes: number; targets: readonly (string | null)[] }[],
): readonly Sampled[] {
  const source = transferPathText(order.source);
  const below = source.endsWith("/") ? source : `${source}/`;
  return objects.flatMap(({ rest, bytes, targets }) => {
    const at = targets.findIndex((target) => target !== null);
    const target = targets[at];
    if (typeof target !== "string") return [];
    const from = ground.isSingle ? source : below + rest;
    return [{ from, to: targetText(ground, at, target), bytes }];
  });
}

function targetText(ground: Ground, at: number, target: string): string {
  const { ends } = ground;
  const place = ends.destinations[at]?.place;
  if (place?.kind === "store") {
    const bucket = ends.buckets[place.store];
    return bucket === undefined ? target : `${bucketText(bucket)}/${target}`;
  }
  const root = ground.roots()[at] ?? "";
  const below = root.endsWith("/") ? root + target : `${root}/${target}`;
  const name = root === "." ? target : below;
  const [cluster, node] = place?.gateway.split("/") ?? [];
  return place?.gateway === homeGateway ? name : `${cluster}/${node}:${name}`;
}
