// What a user says of a transfer, as an order. Pure: the folder, the home and the key come in.
//
// Paths of this machine are made absolute here, for the head has a folder of its own. A destination
// that is a folder already is meant as one, as with cp: it gets its trailing slash.

import { resolve } from "node:path";
import type { Filter, TransferOptions, TransferOrder, Verification } from "../model/transfer.ts";
import type { TransferPath } from "../model/transfer-path.ts";
import type { Solver } from "../model/transfer-plan.ts";
import { parseTransferPath } from "../transfer/stores/paths.ts";

/** What may be said beside the paths. What is absent is as the documentation says. */
export interface TransferChoice {
  /** Of a copy: everything below the source. A sync always is. Default false. */
  readonly recursive?: boolean;
  /** Default: whatever fits the source and the destinations. */
  readonly solver?: Solver;
  /** The cheapest plan that is so fast, in Gbit/s. */
  readonly gbps?: number;
  /** The fastest plan at no more than that for a GB (1e9 bytes), in USD. */
  readonly pricePerGb?: number;
  /** Nothing is started above that estimate, in USD. */
  readonly costMax?: number;
  /** Relays of each region, at most. */
  readonly instancesMax?: number;
  /** To each store, and on each hop. */
  readonly connections?: number;
  /** Large objects in parts. Default true; if not, what is larger than 15 MiB is refused. */
  readonly multipart?: boolean;
  /** Parts at least so large; none is larger than 15 MiB. */
  readonly multipartBytes?: number;
  /** How it is proven that an object arrived. Default `digest`. */
  readonly verify?: Verification;
  /** Bytes a second, of the whole transfer. */
  readonly bandwidth?: number;
  /** Whoever reads pays the bucket's owner's costs. Default false. */
  readonly requesterPays?: boolean;
  /** Between gateways, where it pays. Default true. */
  readonly compress?: boolean;
  /** The text of a grid in CSV, instead of what was measured. */
  readonly profile?: string;
  /** Globs in their order; the last that matches decides. */
  readonly filters?: readonly Filter[];
  /** Of a sync: what the source does not have goes. Default false. */
  readonly delete?: boolean;
  /** Of a sync. Default `usual`: size, and which one is newer. */
  readonly compare?: TransferOptions["compare"];
  /** Nodes of these clusters may be relays. Default: of all that are up. */
  readonly via?: readonly string[];
  /** Where stores that speak S3 are served: an http(s) URL. The source may have its own. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly sourceEndpoint?: string;
  readonly sourceRegion?: string;
}

export interface TransferWords {
  readonly verb: "copy" | "sync";
  readonly source: string;
  readonly destinations: readonly string[];
}

export interface OrderPlace {
  readonly cwd: string;
  /** Of the user: `~`. */
  readonly home: string;
  readonly user: string;
  readonly command: string;
  readonly idempotencyKey: string;
  isFolder(path: string): boolean;
}

/** @throws SkyError `request/invalid` for a path that is none. */
export function transferOrder(
  words: TransferWords,
  choice: TransferChoice,
  place: OrderPlace,
): TransferOrder {
  const { verb, source, destinations } = words;
  const { user, command, idempotencyKey } = place;
  const ofSource = {
    field: "source",
    ...defined("endpoint", choice.sourceEndpoint ?? choice.endpoint),
    ...defined("region", choice.sourceRegion ?? choice.region),
  };
  const ofDestination = {
    ...defined("endpoint", choice.endpoint),
    ...defined("region", choice.region),
    field: "destination",
  };
  return {
    verb,
    source: here(parseTransferPath(source, ofSource), place),
    destinations: destinations.map((text) => {
      return folderMeant(here(parseTransferPath(text, ofDestination), place), place);
    }),
    recursive: verb === "sync" || choice.recursive === true,
    options: optionsOf(choice),
    ...{ user, command, idempotencyKey },
  };
}

function optionsOf(choice: TransferChoice): TransferOptions {
  return {
    ...defined("solver", choice.solver),
    ...defined("gbps", choice.gbps),
    ...defined("pricePerGb", choice.pricePerGb),
    ...defined("costMax", choice.costMax),
    ...defined("instancesMax", choice.instancesMax),
    ...defined("connections", choice.connections),
    multipart: choice.multipart ?? true,
    ...defined("multipartBytes", choice.multipartBytes),
    verify: choice.verify ?? "digest",
    ...defined("bandwidth", choice.bandwidth),
    requesterPays: choice.requesterPays ?? false,
    compress: choice.compress ?? true,
    ...defined("profile", choice.profile),
    filters: choice.filters ?? [],
    delete: choice.delete ?? false,
    compare: choice.compare ?? "usual",
    ...defined("via", choice.via),
  };
}

/** The path as the head understands it; a trailing slash stays. */
function here(path: TransferPath, { cwd, home }: OrderPlace): TransferPath {
  if (path.kind !== "local") return path;
  const named = path.path.replace(/^~(?=\/|$)/, () => home);
  const whole = resolve(cwd, named);
  const isFolder = /(^|\/)\.{0,2}$/.test(named);
  return { kind: "local", path: isFolder ? slashed(whole) : whole };
}

function folderMeant(path: TransferPath, place: OrderPlace): TransferPath {
  if (path.kind !== "local" || !place.isFolder(path.path)) return path;
  return { kind: "local", path: slashed(path.path) };
}

function slashed(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}
