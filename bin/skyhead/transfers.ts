// The transfers of a home, put together: the doors to gateways, this process's own gateway, plans,
// credentials, and what was measured of links.
//
// A home that moves nothing loads neither the gateway nor a store's library, and starts no thread.

import { homedir } from "node:os";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import { headNode } from "../../model/address.ts";
import type { Home } from "../../model/home.ts";
import type { TransferOptions } from "../../model/transfer.ts";
import type { Grid } from "../../model/transfer-plan.ts";
import { createTransferPasses } from "../../runtime/certificates-transfer-os.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { hexToken } from "../../runtime/random.ts";
import type { Store } from "../../runtime/store.ts";
import type { ActorSystem } from "../../runtime/system-actor.ts";
import { createGatewayDoors } from "../../scheduler/gateways/doors.ts";
import { type OwnGateway, ownGateway } from "../../scheduler/gateways/own-gateway.ts";
import type { Heads } from "../../scheduler/heads-os.ts";
import { gatewayReach } from "../../scheduler/remote/gateway-reach-ssh.ts";
import { sweepSockets } from "../../scheduler/remote/tunnel-sockets-os.ts";
import { createProfiler, type Profiler } from "../../scheduler/transfers/profile.ts";
import type { Transfers } from "../../scheduler/transfers/transfers.ts";
import { createTransfers } from "../../scheduler/transfers/transfers-actor.ts";
import type { GatewayDoors } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { planUsual } from "../../transfer/plan/choice.ts";
import { gridOfLinks, gridOver, parseGrid } from "../../transfer/plan/grid.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import { listPrices } from "../../transfer/plan/prices.ts";
import { createHighsSolver, type HighsSolver } from "../../transfer/plan/solver-highs-os.ts";
import { gatewaysAt, openStore } from "../skylet/gateways.ts";
import type { LanePorts } from "./lane.ts";
import type { SshClusters } from "./ssh-clusters.ts";

export interface HomeTransfersOptions
  extends Pick<LanePorts, "clock" | "random" | "log" | "work" | "near"> {
  readonly home: Home;
  readonly store: Store;
  /** Of the home. */
  readonly system: ActorSystem;
  readonly fleets: Fleets;
  readonly heads: Heads;
  readonly onHosts: SshClusters | undefined;
}

export interface HomeTransfers extends Transfers {
  /** Lets go of all gateways, and ends this process's own. What has not ended goes on later. */
  close(): Promise<void>;
}

/** A transfer's certificates are for as long as a round may take. */
const measuringHours = 1;
const idBytes = 16;

export function homeTransfers(options: HomeTransfersOptions): HomeTransfers {
  const own = ownGatewayOf(options);
  const solver = createHighsSolver();
  const doors = doorsOf(options, own);
  const profiler = profilerOf(options, doors);
  const transfers = transfersOf(options, { doors, solver, profiler });
  const close = async (): Promise<void> => {
    await transfers.close();
    await own.close();
    await solver.close();
  };
  return {
    restore: () => transfers.restore(),
    preview: (order, call) => transfers.preview(order, call),
    start: (order, call) => transfers.start(order, call),
    list: () => transfers.list(),
    get: (id) => transfers.get(id),
    failures: (id, page) => transfers.failures(id, page),
    watch: (id, signal) => transfers.watch(id, signal),
    cancel: (id, user) => transfers.cancel(id, user),
    resume: (id, user, call) => transfers.resume(id, user, call),
    profile: (request, signal) => transfers.profile(request, signal),
    running: () => transfers.running(),
    close,
  };
}

function ownGatewayOf({ home, work, near, clock, random, log }: HomeTransfersOptions): OwnGateway {
  const [cluster = "", node = headNode] = homeGateway.split("/");
  // Beside the folders of transfers, which are the head's.
  const place = { home: homedir(), transfers: `${home.transfers}/gateway` };
  return ownGateway(
    gatewaysAt({ cluster, node, near, home: place, work, clock, random, log }),
    fairDefer(),
  );
}

function doorsOf(options: HomeTransfersOptions, own: OwnGateway): GatewayDoors {
  const { fleets, heads, home, onHosts } = options;
  const openHome: OwnGateway["open"] = (header, signal) => own.open(header, signal);
  if (onHosts === undefined) return createGatewayDoors({ fleets, heads, openHome });
  const dir = `${home.root}/ssh/gateways`;
  sweepSockets(dir);
  const record = (name: string) => fleets.record(name);
  const reach = gatewayReach({ record, ssh: () => onHosts.ssh, dir });
  return createGatewayDoors({ fleets, heads, remote: onHosts.remote, openHome, reach });
}

function profilerOf(options: HomeTransfersOptions, doors: GatewayDoors): Profiler {
  const { home, clock, random, log } = options;
  return createProfiler({
    ...{ doors, clock, log, files: createOsFiles(home.transfers) },
    path: `${home.transfers}/links.json`,
    newId: () => hexToken(random, idBytes),
    passes: (transfer, peers) => {
      const nowMs = clock.now().wallMs;
      return createTransferPasses({ transfer, peers, nowMs, hours: measuringHours });
    },
  });
}

function transfersOf(
  options: HomeTransfersOptions,
  parts: {
    readonly doors: GatewayDoors;
    readonly solver: HighsSolver;
    readonly profiler: Profiler;
  },
): Transfers {
  const { clock, random, log, system, store, home } = options;
  const { doors, solver, profiler } = parts;
  return createTransfers({
    ...{ clock, random, log, system, store, doors, profiler, dir: home.transfers },
    environment: process.env,
    stores: {
      open: openStore,
      resolve: async (bucket, environment) => {
        const credentials = await import("../../transfer/stores/credentials-os.ts");
        return await credentials.resolveCredentials(bucket, environment);
      },
    },
    plan: (request, isUsual) =>
      isUsual ? planUsual(request, solver) : planTransfer(request, solver),
    grid: async (asked) => gridOver(...givenGrid(asked), gridOfLinks(await profiler.links())),
    prices: listPrices(),
  });
}

function givenGrid({ profile }: TransferOptions): readonly Grid[] {
  return profile === undefined ? [] : [parseGrid(profile)];
}
