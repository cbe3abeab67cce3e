// The two ends of a transfer, with everything that a round has to know of them. Pure.
//
// `cluster/*` as a destination becomes one for each of its nodes; the order's destinations are
// counted by `order`, all of them by their place in the list, which never changes once it is on
// record. A bucket that is both ends is one store.

import { SkyError } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import type { Bucket, NodePath, TransferPath } from "../../model/transfer-path.ts";
import type { GatewaySite } from "../gateway/doors.ts";
import { type GatewayId, homeGateway } from "../gateway/program.ts";
import { transferPathText } from "../stores/paths.ts";
import { type Destination, folderOf, treePrefix } from "./mapping.ts";

/** A file system at a gateway, or a store by its number. */
export type Place =
  | { readonly kind: "files"; readonly gateway: GatewayId; readonly path: string }
  | { readonly kind: "store"; readonly store: number; readonly key: string };

export interface DestinationEnd {
  /** Which of the order's it is, or is a part of. */
  readonly order: number;
  readonly place: Place;
  /** As people know it. */
  readonly text: string;
}

export interface Ends {
  readonly source: Place;
  readonly sourceText: string;
  readonly destinations: readonly DestinationEnd[];
  /** By number. */
  readonly buckets: readonly Bucket[];
}

/**
 * @throws SkyError `cluster/not-found`, `cluster/not-up` for nodes that no gateway is at;
 *   of `--via`, too; `request/invalid` if something would be copied onto itself.
 */
export function endsOf(order: TransferOrder, sites: readonly GatewaySite[]): Ends {
  for (const name of order.options.via ?? []) {
    if (sites.some(({ gateway }) => gateway.startsWith(`${name}/`))) continue;
    throw new SkyError("cluster/not-found", { name, hint: " It is named with --via." });
  }
  const buckets: Bucket[] = [];
  const storeOf = (bucket: Bucket): number => {
    const found = buckets.findIndex((known) => isSameBucket(known, bucket));
    return found >= 0 ? found : buckets.push(bucket) - 1;
  };
  const place = (path: TransferPath): Place => placeOf(path, sites, storeOf);
  const destinations = order.destinations.flatMap((path, index) =>
    nodesOf(path, sites).map((one) => ({
      order: index,
      place: place(one),
      text: transferPathText(one),
    })),
  );
  const source = place(order.source);
  const sourceText = transferPathText(order.source);
  for (const { place: to, text } of destinations) {
    if (JSON.stringify(source) === JSON.stringify(to))
      throw refused(`${text} is the source itself`);
    if (!order.recursive) continue;
    // A tree that is copied into itself would not end.
    if (isWithin(source, to)) throw refused(`${text} is within the source`);
    if (order.options.delete && isWithin(to, source)) {
      throw refused(`${text} holds the source: --delete would delete it`);
    }
  }
  return { source, sourceText, destinations, buckets };
}

/** Where the files of a destination are below. */
export function rootOf(end: DestinationEnd, destination: Destination, isSingle: boolean) {
  return end.place.kind === "store" ? null : folderOf(destination, isSingle);
}

function placeOf(
  path: TransferPath,
  sites: readonly GatewaySite[],
  storeOf: (bucket: Bucket) => number,
): Place {
  switch (path.kind) {
    case "local":
      return { kind: "files", gateway: homeGateway, path: path.path };
    case "node":
      return { kind: "files", gateway: gatewayOf(path, sites), path: path.path };
    case "store":
      return { kind: "store", store: storeOf(path.bucket), key: path.key };
  }
}

function gatewayOf({ cluster, node }: NodePath, sites: readonly GatewaySite[]): GatewayId {
  const its = sites.filter(({ gateway }) => gateway.startsWith(`${cluster}/`));
  if (its.length === 0) throw new SkyError("cluster/not-found", { name: cluster, hint: "" });
  const wanted = node === undefined ? its[0] : its.find((one) => one.gateway.endsWith(`/${node}`));
  if (wanted !== undefined) return wanted.gateway;
  const known = its.map(({ gateway }) => gateway.slice(cluster.length + 1)).join(", ");
  const why = `cluster ${cluster} has no node ${node} that is up; it has ${known}`;
  throw new SkyError("request/invalid", { field: "path", why });
}

function nodesOf(path: TransferPath, sites: readonly GatewaySite[]): readonly TransferPath[] {
  if (path.kind !== "node" || path.node !== "*") return [path];
  const its = sites.filter(({ gateway }) => gateway.startsWith(`${path.cluster}/`));
  if (its.length === 0) throw new SkyError("cluster/not-found", { name: path.cluster, hint: "" });
  return its.map(({ gateway }) => ({ ...path, node: gateway.slice(path.cluster.length + 1) }));
}

function refused(why: string): SkyError {
  return new SkyError("request/invalid", { field: "destination", why });
}

function isWithin(source: Place, to: Place): boolean {
  if (source.kind === "store") {
    const isSame = to.kind === "store" && to.store === source.store;
    return isSame && to.key.startsWith(treePrefix(source.key)) && to.key !== "";
  }
  if (to.kind !== "files" || source.gateway !== to.gateway) return false;
  const below = source.path.endsWith("/") ? source.path : `${source.path}/`;
  return `${to.path}/`.startsWith(below);
}

function isSameBucket(a: Bucket, b: Bucket): boolean {
  return (
    a.store === b.store &&
    a.account === b.account &&
    a.bucket === b.bucket &&
    a.endpoint === b.endpoint
  );
}
