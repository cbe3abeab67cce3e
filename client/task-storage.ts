// Buckets in a task file: their URIs, and the storage mappings of `file_mounts`.
//
// What a mapping may say is one table of combinations: name, source and mode together say whether
// a bucket is made, used or filled. Nothing here reaches a bucket.
// Source: SkyPilot's storage, 0.3.0 for the rules and their words, 0.14.1 for stores and modes.

import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import type { Place } from "../model/problem.ts";
import { hintText } from "../model/suggest.ts";
import type { Said } from "./task-groups.ts";
import { anyMapping, byForm, fieldsOf, listOf, made } from "./task-groups.ts";
import type { Field, Kind } from "./task-kinds.ts";
import { flag, oneOf, text } from "./task-kinds.ts";

/** `https` is for Azure's blobs. */
const schemes = ["s3", "gs", "r2", "cos", "oci", "nebius", "cw", "vastdata", "hf", "https"];

export interface BucketUri {
  readonly scheme: string;
  readonly bucket: string;
  /** Inside of the bucket, without slashes at its ends. */
  readonly path: string;
}

/** A URI, whatever its scheme; `undefined` for what is a path. */
export function bucketUri(source: string): BucketUri | undefined {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/.exec(source);
  if (match === null) return undefined;
  const [, scheme = "", bucket = "", path = ""] = match;
  return { scheme: scheme.toLowerCase(), bucket, path: path.replace(/^\/+|\/+$/g, "") };
}

/** What is wrong with a URI as a source. */
export function uriProblem(source: string, { scheme, bucket }: BucketUri): string | undefined {
  const typed = JSON.stringify(source);
  if (!schemes.includes(scheme)) {
    const known = schemes.map((name) => `${name}://`).join(", ");
    const hint = hintText(scheme, schemes);
    return `${typed}: Supported paths: local, ${known}. Got: ${scheme}://.${hint}`;
  }
  return bucket === "" ? `${typed} names no bucket` : undefined;
}

const modes = ["MOUNT", "COPY", "MOUNT_CACHED"] as const;
const stores = [
  ...(["s3", "gcs", "azure", "r2", "ibm", "oci", "nebius", "coreweave", "vastdata", "hf"] as const),
  "volume",
] as const;

/** To a schema a variable is any of the words. */
function filledIn<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, schema: { anyOf: [kind.schema, { type: "string", pattern: "\\$" }] } };
}

export const storageFields = {
  name: { kind: text, about: "The bucket's name.", example: "name: my-bucket" },
  source: {
    kind: byForm<readonly Sourced[]>(
      {
        scalar: made(text, (path, { place }) => [{ path, place, listed: false }]),
        list: made(listOf(text, 1), (items) => {
          return items.map(({ value, place }) => ({ path: value, place, listed: true }));
        }),
      },
      "a path, a URI or a list of paths",
    ),
    about: "Files for the bucket, or a bucket that is there. Not both `name` and a URI.",
    example: "source: ~/data",
  },
  store: { kind: filledIn(oneOf(stores)), about: "Where the bucket is.", example: "store: s3" },
  persistent: {
    kind: flag,
    about: "Whether the bucket stays when the job is over. Default true.",
    example: "persistent: false",
  },
  mode: {
    kind: filledIn(oneOf(modes)),
    about: "MOUNT (the default) and MOUNT_CACHED show the bucket, COPY copies it to the nodes.",
    example: "mode: COPY",
  },
  mount_options: { kind: text, about: "For the tool that mounts.", example: "mount_options: ro" },
  type: {
    kind: text,
    about: "A preset of MOUNT_CACHED.",
    example: "type: MODEL_CHECKPOINT_RO",
  },
  config: {
    kind: anyMapping,
    about: "Details of the mount.",
    example: "config: {mount: {read_only: true}}",
  },
} as const satisfies Readonly<Record<string, Field<unknown>>>;

interface Sourced {
  readonly path: string;
  readonly place: Place;
  /** A single file has to stand in a list. */
  readonly listed: boolean;
}

export type StorageSaid = Said<typeof storageFields>;

export const storage: Kind<StorageSaid> = fieldsOf({ of: "a storage", fields: storageFields });

/** What kind of thing is at a path of this machine: `file`, `directory`, `missing`. */
type KindOf = (path: string) => "directory" | "file" | "missing";

/** Whether what a mapping says makes sense together. */
export function checkStorage(
  said: StorageSaid,
  { kindOf, found }: { readonly kindOf: KindOf; readonly found: Findings },
): void {
  const { name, source, mode = "MOUNT" } = said.values;
  const at = (key: keyof typeof storageFields): Place => said.trees.get(key)?.place ?? said.place;
  const isNameOk = checkName(said, found);
  if (said.trees.has("source") && source === undefined) return;
  if (source === undefined) {
    if (mode === "COPY") {
      const what = "New storage object: source must be specified when using COPY mode";
      refuse(found, at("mode"), what);
    } else if (!said.trees.has("name")) {
      refuse(found, said.place, "Storage source or storage name must be specified");
    }
    return;
  }
  checkBaseNames(source, found);
  const isFine = source.map((one) => checkSource(one, { kindOf, mode, found })).every(Boolean);
  if (!isFine || !isNameOk) return;
  const remote = source.some(({ path }) => bucketUri(path) !== undefined);
  if (remote && name !== undefined) {
    const what = "Storage name should not be specified if the source is a remote URI";
    refuse(found, at("name"), `${what}, as ${JSON.stringify(source[0]?.path)} is`);
  } else if (!remote && !said.trees.has("name")) {
    const what = "Storage name must be specified if the source is local";
    refuse(found, at("source"), `${what}, as ${JSON.stringify(source[0]?.path)} is`);
  }
}

interface Checking {
  readonly kindOf: KindOf;
  readonly mode: (typeof modes)[number];
  readonly found: Findings;
}

function checkSource({ path, place, listed }: Sourced, { kindOf, mode, found }: Checking): boolean {
  const uri = bucketUri(path);
  const typed = JSON.stringify(path);
  const wrong =
    uri === undefined
      ? localProblem(path, kindOf(path), listed)
      : listed
        ? `${typed}: a list of sources holds paths of this machine, not buckets`
        : (uriProblem(path, uri) ??
          (mode === "MOUNT" && uri.path !== ""
            ? `MOUNT mode does not support mounting ${typed}, which is inside of a bucket: use ` +
              "COPY mode or specify only the bucket name as the source"
            : undefined));
  if (wrong === undefined) return true;
  refuse(found, place, wrong);
  return false;
}

function localProblem(path: string, kind: ReturnType<KindOf>, listed: boolean) {
  const typed = JSON.stringify(path);
  if (path.endsWith("/") && path !== "/") {
    const right = JSON.stringify(path.slice(0, -1));
    return `Storage source paths cannot end with a slash: write ${right}`;
  }
  if (kind === "missing") return `Local source path does not exist: ${typed}`;
  if (kind === "directory" || listed) return undefined;
  return `Storage source path cannot be a file: write it in a list, as source: [${path}]`;
}

function checkBaseNames(source: readonly Sourced[], found: Findings): void {
  const seen = new Map<string, string>();
  for (const { path, place } of source) {
    const base = path.split("/").at(-1) ?? path;
    const first = seen.get(base);
    if (first !== undefined && base !== "") {
      const what = "Cannot have multiple files or directories with the same name in source";
      refuse(found, place, `${what}: ${JSON.stringify(first)} and ${JSON.stringify(path)}`);
    }
    seen.set(base, path);
  }
}

/** Whether the name is one that its store could take. */
function checkName({ values, trees }: StorageSaid, found: Findings): boolean {
  const { name, store } = values;
  const place = trees.get("name")?.place;
  if (name === undefined || place === undefined) return true;
  const prefix = /^([A-Za-z0-9]+):\/\//.exec(name)?.[1]?.toLowerCase();
  const typed = JSON.stringify(name);
  if (prefix !== undefined) {
    const what = `Prefix detected: name cannot start with ${prefix}://`;
    refuse(found, place, `${what}; write source: ${name} for a bucket that is there`);
    return false;
  }
  // A variable that no `envs` sets stays as it is: the name is not known yet.
  if (name.includes("$")) return true;
  const why = nameProblem(name, store);
  if (why !== undefined) refuse(found, place, `name ${typed} is no name of a bucket: ${why}`);
  return why === undefined;
}

/** What no store takes, or not the one that is asked for. Source: the rules of S3 and GCS. */
function nameProblem(name: string, store: string | undefined): string | undefined {
  const isGcs = store === "gcs";
  const most = isGcs || store === undefined ? 222 : 63;
  if (name.length < 3 || name.length > most) return `it should have 3 to ${most} characters`;
  if (!/^[a-z0-9._-]+$/.test(name)) return "use lower-case letters, digits, dots and dashes";
  if (!/^[a-z0-9].*[a-z0-9]$/.test(name)) return "it should begin and end with a letter or digit";
  if (/\.\./.test(name)) return "two dots side by side are not allowed";
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(name)) return "it looks like an IP address";
  if (isGcs) return gcsNameProblem(name);
  return store === "s3" || store === "r2" ? s3NameProblem(name) : undefined;
}

function s3NameProblem(name: string): string | undefined {
  if (name.includes("_")) return "S3 takes no underscores";
  if (name.startsWith("xn--")) return "S3 keeps xn-- for itself";
  return /(-s3alias|--ol-s3)$/.test(name) ? "S3 keeps -s3alias and --ol-s3 for itself" : undefined;
}

function gcsNameProblem(name: string): string | undefined {
  if (/\.-|-\./.test(name)) return "GCS takes no dot beside a dash";
  if (name.split(".").some((part) => part.length > 63)) {
    return "GCS takes at most 63 characters between dots";
  }
  return /^goog|google|g00gle|go0gle|g0ogle/.test(name) ? "GCS keeps google for itself" : undefined;
}

/** What the sentence about the cloud that it needs names. */
export function storageText({ values }: StorageSaid): string {
  const [source] = values.source ?? [];
  const what = values.name ?? source?.path;
  return what === undefined ? "a storage" : `storage ${JSON.stringify(what)}`;
}
