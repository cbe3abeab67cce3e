// The flags of `sky cp` and `sky sync`, and what they say of a transfer.
//
// Names are Skyplane's where it has them; include and exclude are rsync's: the last that matches an
// object decides, so their order on the command line is kept.

import { readFileSync } from "node:fs";
import { verifications } from "../../model/transfer.ts";
import { solvers } from "../../model/transfer-plan.ts";
import { bytesIn, bytesPerSecondIn } from "../quantity.ts";
import type { TransferChoice } from "../transfer-order.ts";
import { yesFlag } from "./command.ts";
import { WrongUse } from "./exit-codes.ts";
import {
  type Flag,
  isSet,
  numberFlag,
  orderedFlags,
  type Parsed,
  textFlag,
  textsFlag,
} from "./flags.ts";

const compares = ["usual", "size", "digest"] as const;

export const recursiveFlag: Flag = {
  usage: "-r, --recursive",
  about: "Everything below the source.",
};

export const syncFlags: readonly Flag[] = [
  { usage: "-r, --recursive", about: "Always so.", hidden: true },
  { usage: "--delete", about: "Take away at the destination what the source does not have." },
  {
    usage: "--compare <HOW>",
    about: "What is the same: usual (size, and the source is not newer), size, or digest.",
    values: compares,
  },
];

export const transferFlags: readonly Flag[] = [
  yesFlag,
  { usage: "-f, --confirm", about: "The same as -y.", hidden: true },
  { usage: "--dry-run", about: "Print the plan and start nothing." },
  {
    usage: "-o, --output <FORMAT>",
    about: "json: one event a line, as in a pipe; with --dry-run the plan. text: as on a terminal.",
    values: ["json", "text"],
  },
  { usage: "-d, --detach", about: "Print the transfer's number and do not wait for its end." },
  { usage: "--resume <TRANSFER>", about: "Do what that transfer left undone. Instead of paths." },
  { usage: "--debug", about: "Say each object that has arrived." },
  {
    usage: "--include <GLOB>",
    about: "Objects that go. Repeatable; the last of --include and --exclude that matches decides.",
    ...{ repeated: true, ordered: true },
  },
  {
    usage: "--exclude <GLOB>",
    about: "Objects that stay. Repeatable.",
    ...{ repeated: true, ordered: true },
  },
  {
    usage: "--verify <HOW>",
    about: "What proves that it arrived: digest (the default), read (and read back), size, none.",
    values: verifications,
  },
  { usage: "--bandwidth <RATE>", about: "No faster than that: 100MB/s, 1Gbit/s." },
  {
    usage: "--solver <SOLVER>",
    about: "How the way is planned. Default: what fits the source and the destinations.",
    values: solvers,
  },
  { usage: "-t, --tput <GBPS>", about: "The cheapest plan that is so fast, in Gbit/s." },
  { usage: "--max-price <USD>", about: "The fastest plan at no more than that for a GB." },
  { usage: "--max-cost <USD>", about: "Start nothing that is estimated to cost more." },
  { usage: "-n, --max-instances <N>", about: "Relays of each region, at most." },
  { usage: "--max-connections <N>", about: "Connections to each store, and on each hop." },
  { usage: "--via <CLUSTER>", about: "Relay over nodes of it only. Repeatable.", repeated: true },
  { usage: "--profile <FILE>", about: "A grid of rates (CSV) instead of what was measured." },
  { usage: "--multipart", about: "Large objects in parts. The default." },
  { usage: "--no-multipart", about: "Every object in one put; more than 15 MiB is refused." },
  { usage: "--part-size <SIZE>", about: "Parts at least so large, at most 15MiB: 8MiB." },
  { usage: "--no-compress", about: "Send bytes as they are." },
  { usage: "--endpoint <URL>", about: "Where the stores are served: anything that speaks S3." },
  { usage: "--region <REGION>", about: "Of the buckets, where a store does not tell." },
  { usage: "--source-endpoint <URL>", about: "The same for the source alone." },
  { usage: "--source-region <REGION>", about: "The same for the source alone." },
  { usage: "--requester-pays", about: "You pay for what you read of another's bucket." },
];

/** What the flags say of the transfer. @throws WrongUse for a value that is none. */
export function choiceOf(parsed: Parsed): TransferChoice {
  const count = (name: string, flag: string) =>
    numberFlag(parsed, name, { flag, least: 1, whole: true });
  const amount = (name: string, flag: string) => numberFlag(parsed, name, { flag, least: 0 });
  const filters = orderedFlags(parsed, ["include", "exclude"] as const);
  const via = textsFlag(parsed, "via");
  if (textFlag(parsed, "tput") !== undefined && textFlag(parsed, "maxPrice") !== undefined) {
    throw new WrongUse("--tput and --max-price exclude each other: a floor, or a ceiling");
  }
  return {
    recursive: isSet(parsed, "recursive"),
    ...taken("solver", wordOf(parsed, "solver", solvers)),
    ...taken("gbps", amount("tput", "--tput")),
    ...taken("pricePerGb", amount("maxPrice", "--max-price")),
    ...taken("costMax", amount("maxCost", "--max-cost")),
    ...taken("instancesMax", count("maxInstances", "--max-instances")),
    ...taken("connections", count("maxConnections", "--max-connections")),
    multipart: parsed.flags["multipart"] !== false,
    ...taken("multipartBytes", sizeOf(parsed)),
    ...taken("verify", wordOf(parsed, "verify", verifications)),
    ...taken("bandwidth", bandwidthOf(parsed)),
    requesterPays: isSet(parsed, "requesterPays"),
    compress: parsed.flags["compress"] !== false,
    ...taken("profile", profileOf(parsed)),
    filters: filters.map(({ name, text }) => ({ verb: name, pattern: text })),
    delete: isSet(parsed, "delete"),
    ...taken("compare", wordOf(parsed, "compare", compares)),
    ...(via.length === 0 ? {} : { via }),
    ...taken("endpoint", urlOf(parsed, "endpoint", "--endpoint")),
    ...taken("region", textFlag(parsed, "region")),
    ...taken("sourceEndpoint", urlOf(parsed, "sourceEndpoint", "--source-endpoint")),
    ...taken("sourceRegion", textFlag(parsed, "sourceRegion")),
  };
}

function wordOf<W extends string>(
  parsed: Parsed,
  name: string,
  words: readonly W[],
): W | undefined {
  // Any other word was refused by the table of flags.
  return words.find((word) => word === textFlag(parsed, name));
}

function sizeOf(parsed: Parsed): number | undefined {
  const text = textFlag(parsed, "partSize");
  if (text === undefined) return undefined;
  if (parsed.flags["multipart"] === false) {
    throw new WrongUse("--part-size and --no-multipart exclude each other");
  }
  const bytes = bytesIn(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new WrongUse(`--part-size should be a size such as 8MiB or 10MB, not '${text}'`);
}

function bandwidthOf(parsed: Parsed): number | undefined {
  const text = textFlag(parsed, "bandwidth");
  if (text === undefined) return undefined;
  const rate = bytesPerSecondIn(text);
  if (rate !== undefined && rate > 0) return rate;
  throw new WrongUse(`--bandwidth should be a rate such as 100MB/s or 1Gbit/s, not '${text}'`);
}

function urlOf(parsed: Parsed, name: string, flag: string): string | undefined {
  const text = textFlag(parsed, name);
  if (text === undefined) return undefined;
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && `${url.username}${url.password}` !== "") {
    throw new WrongUse(`${flag}: credentials have no place in a URL: see docs/transfers.md`);
  }
  if (url !== undefined) return text;
  throw new WrongUse(`${flag} should be a URL such as https://minio.example:9000, not '${text}'`);
}

function profileOf(parsed: Parsed): string | undefined {
  const path = textFlag(parsed, "profile");
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WrongUse(`--profile: '${path}' cannot be read: ${why}`);
  }
}

function taken<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}
