// Reading what a user writes as a source or a destination, and writing it again.
//
// What must hold: a store's key is taken byte for byte (`s3://b//x` is the key `/x`); what looks
// like a form of another tool is refused with the form that is meant here, never taken for a file;
// what is printed reads as the same path again. The forms are in `model/transfer-path.ts`.
// A path of this machine that could be read as another form begins with `./` or `/`.
//
// It is loaded by each start of `sky`, so it imports the model alone.

import { SkyError } from "../../model/errors.ts";
import { clusterNameLengthMax, clusterPattern, tokenPattern } from "../../model/ids.ts";
import type { Bucket, StoreKind, TransferPath } from "../../model/transfer-path.ts";

export interface PathOptions {
  /** Of stores, from `--endpoint`: an http(s) URL. */
  readonly endpoint?: string;
  /** Of buckets, from `--region`. */
  readonly region?: string;
  /** Which argument it is, for errors. */
  readonly field?: string;
}

interface Reading extends PathOptions {
  readonly text: string;
  /** What is after `scheme://`. */
  readonly rest: string;
  readonly refuse: (why: string) => SkyError;
}

/** @throws SkyError `request/invalid` */
export function parseTransferPath(text: string, options: PathOptions = {}): TransferPath {
  const refuse = (why: string) =>
    new SkyError("request/invalid", { field: options.field ?? "path", why });
  if (text === "") throw refuse("it is empty; `.` is the folder that you are in");
  if (!text.isWellFormed()) throw refuse("it is no Unicode text: half a surrogate pair is in it");
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text);
  if (scheme !== null) {
    const rest = text.slice(scheme[0].length);
    return ofScheme((scheme[1] ?? "").toLowerCase(), { ...options, text, rest, refuse });
  }
  return ofMachine(text, refuse);
}

/** What `parseTransferPath` reads as the same path, given the same options. */
export function transferPathText(path: TransferPath): string {
  if (path.kind === "local") return isLocal(path.path) ? path.path : `./${path.path}`;
  if (path.kind === "node") {
    const node = path.node === undefined ? "" : `/${path.node}`;
    const home = path.path.startsWith("~") ? "~/" : "";
    return `${path.cluster}${node}:${home}${path.path}`;
  }
  return `${bucketText(path.bucket)}${path.key === "" ? "" : `/${path.key}`}`;
}

/** `s3://bucket`, `azure://account/container`: what errors and tables call it. */
export function bucketText({ store, account, bucket }: Bucket): string {
  return `${store}://${account === undefined ? "" : `${account}/`}${bucket}`;
}

function isLocal(path: string): boolean {
  try {
    const read = parseTransferPath(path);
    return read.kind === "local" && read.path === path;
  } catch {
    // It would be refused, so it needs the `./`.
    return false;
  }
}

// This machine and nodes

type Refuse = Reading["refuse"];

function ofMachine(text: string, refuse: Refuse): TransferPath {
  if (text.includes("\0")) throw refuse("a path has no NUL byte");
  const colon = text.indexOf(":");
  const before = colon < 0 ? "" : text.slice(0, colon);
  if (colon < 0 || /^[./~]/.test(text) || before.split("/").length > 2) {
    return { kind: "local", path: text };
  }
  const isWindows = /^[A-Za-z]:\\/.test(text);
  const form = isWindows ? undefined : nodeForm(before, text.slice(colon + 1));
  if (form === undefined) throw refuse(notANode(text, before));
  if (storeNames.includes(before)) {
    throw refuse(
      `${text} names no store: say ${before}://…, or ./${text} for a file of that name; ` +
        `a cluster called ${before} is ${before}/head:PATH`,
    );
  }
  return form;
}

function nodeForm(before: string, path: string): TransferPath | undefined {
  const [cluster = "", node] = before.split("/");
  if (!clusterPattern.test(cluster) || cluster.length > clusterNameLengthMax) return undefined;
  if (node !== undefined && node !== "*" && !tokenPattern.test(node)) return undefined;
  if (/^~[^/]/.test(path)) return undefined;
  const below = path === "~" ? "" : path.replace(/^~\//, "");
  return { kind: "node", cluster, ...(node === undefined ? {} : { node }), path: below };
}

function notANode(text: string, before: string): string {
  const local = `for a file of this machine say ./${text}`;
  if (/^[A-Za-z]:[\\/]/.test(text)) {
    return `${text} looks like a path of Windows, where sky does not run; ${local}`;
  }
  if (/:~[^/]/.test(text)) return `${text}: only one's own ~/ is known on a node; ${local}`;
  if (before.includes("@")) {
    return `${text} looks like ssh: name a cluster, as in CLUSTER:path (sky status); ${local}`;
  }
  return `'${before}' cannot be a cluster (or cluster/node); ${local}`;
}

// Stores

const schemes: Readonly<Record<string, (reading: Reading) => TransferPath>> = {
  s3: (reading) => plain("s3", reading),
  gs: (reading) => plain("gs", reading),
  cos: (reading) => plain("cos", reading),
  azure: (reading) => ofAccount("azure", reading),
  r2: (reading) => ofAccount("r2", reading),
  hdfs,
  https: ofUrl,
  http: ofUrl,
  file,
};

/** With one slash too few these would be taken for clusters. */
const storeNames: readonly string[] = [...Object.keys(schemes), "gcs", "az", "s3a"];

/** What other tools say, and what is said here instead. Sources: their own manuals. */
const aliases: Readonly<Record<string, string>> = {
  ...{ s3a: "s3://BUCKET/KEY", s3n: "s3://BUCKET/KEY", aws: "s3://BUCKET/KEY" },
  ...{ gcs: "gs://BUCKET/KEY", gcp: "gs://BUCKET/KEY", google: "gs://BUCKET/KEY" },
  ...{ az: "azure://ACCOUNT/CONTAINER/KEY", azblob: "azure://ACCOUNT/CONTAINER/KEY" },
  ...{ abfs: "azure://ACCOUNT/CONTAINER/KEY", abfss: "azure://ACCOUNT/CONTAINER/KEY" },
  ...{ wasb: "azure://ACCOUNT/CONTAINER/KEY", wasbs: "azure://ACCOUNT/CONTAINER/KEY" },
  ...{ adl: "azure://ACCOUNT/CONTAINER/KEY", blob: "azure://ACCOUNT/CONTAINER/KEY" },
  ...{ cloudflare: "r2://ACCOUNT/BUCKET/KEY", cf: "r2://ACCOUNT/BUCKET/KEY" },
  ...{ ibm: "cos://BUCKET/KEY", ibmcos: "cos://BUCKET/KEY", ibmcloud: "cos://BUCKET/KEY" },
  ...{ webhdfs: "hdfs://HOST:PORT/PATH", swebhdfs: "hdfs://HOST:PORT/PATH" },
  ...{ minio: "s3://BUCKET/KEY --endpoint URL", b2: "s3://BUCKET/KEY --endpoint URL" },
  ...{ wasabi: "s3://BUCKET/KEY --endpoint URL", oss: "s3://BUCKET/KEY --endpoint URL" },
  ...{ oci: "s3://BUCKET/KEY --endpoint URL", ceph: "s3://BUCKET/KEY --endpoint URL" },
  ...{ ssh: "CLUSTER:PATH", scp: "CLUSTER:PATH", sftp: "CLUSTER:PATH", rsync: "CLUSTER:PATH" },
};

function ofScheme(scheme: string, reading: Reading): TransferPath {
  const read = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (read !== undefined) return read(reading);
  const { refuse } = reading;
  const say = Object.hasOwn(aliases, scheme) ? aliases[scheme] : undefined;
  if (say !== undefined) throw refuse(`${scheme}:// is not known here: say ${say}`);
  throw refuse(
    `${scheme}:// is no store that is known: s3, gs, azure, r2, cos, hdfs, file; ` +
      "any other that speaks S3 is s3://BUCKET/KEY with --endpoint",
  );
}

/** `bucket/key`. */
function plain(store: StoreKind, reading: Reading): TransferPath {
  const [bucket, key] = cut(reading.rest);
  demandName(bucket, { what: "bucket", form: `${store}://BUCKET/KEY`, reading });
  return { kind: "store", bucket: { store, bucket, ...placed(reading) }, key };
}

/** `account/bucket/key`. */
function ofAccount(store: "azure" | "r2", reading: Reading): TransferPath {
  const what = store === "azure" ? "container" : "bucket";
  const form = `${store}://ACCOUNT/${what.toUpperCase()}/KEY`;
  const [account, below] = cut(reading.rest);
  demandName(account, { what: "account", form, reading });
  const [bucket, key] = cut(below);
  demandName(bucket, { what, form, reading });
  return { kind: "store", bucket: { store, account, bucket, ...placed(reading) }, key };
}

function hdfs(reading: Reading): TransferPath {
  const [host, key] = cut(reading.rest);
  if (!/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(host)) {
    throw reading.refuse(
      `${reading.text}: name the name node and the port of WebHDFS, as in hdfs://HOST:9870/PATH`,
    );
  }
  return { kind: "store", bucket: { store: "hdfs", bucket: host, ...placed(reading) }, key };
}

function cut(text: string): readonly [first: string, rest: string] {
  const slash = text.indexOf("/");
  return slash < 0 ? [text, ""] : [text.slice(0, slash), text.slice(slash + 1)];
}

function placed({ endpoint, region }: PathOptions): Partial<Bucket> {
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  };
}

/**
 * Looser than any store: its own rules differ by region and by age, and it says them itself.
 * What no store takes is told at once. `$web`, `$root` and `$logs` are containers of Azure.
 */
function demandName(
  name: string,
  asked: { readonly what: string; readonly form: string; readonly reading: Reading },
): void {
  const { what, form, reading } = asked;
  if (name === "") throw reading.refuse(`${reading.text} names no ${what}: say ${form}`);
  if (!/^\$?[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(name)) {
    throw reading.refuse(`'${name}' cannot be the name of a ${what} (${form})`);
  }
}

// URLs

/** Hosts under which accounts are named. Source: the stores' own pages on their endpoints. */
const accountHosts: readonly (readonly [RegExp, "azure" | "r2", usual: string])[] = [
  [/^([a-z0-9]+)\.blob\.core\.windows\.net$/, "azure", "blob.core.windows.net"],
  [/^([a-z0-9]+)\.blob\.core\.(?:chinacloudapi\.cn|usgovcloudapi\.net)$/, "azure", ""],
  [/^([a-z0-9]+)\.r2\.cloudflarestorage\.com$/, "r2", "r2.cloudflarestorage.com"],
  [/^([a-z0-9]+)\.(?:eu|fedramp)\.r2\.cloudflarestorage\.com$/, "r2", ""],
];

/** Hosts whose objects have a shorter name. */
const otherHosts: readonly (readonly [RegExp, say: string])[] = [
  [/(^|\.)s3[.-]([a-z0-9-]+\.)*amazonaws\.com(\.cn)?$/, "s3://BUCKET/KEY"],
  [/(^|\.)storage\.(cloud\.google|googleapis)\.com$/, "gs://BUCKET/KEY"],
  [/\.cloud-object-storage\.appdomain\.cloud$/, "cos://BUCKET/KEY"],
  [/\.dfs\.core\.windows\.net$/, "azure://ACCOUNT/CONTAINER/KEY"],
];

/** A URL is decoded, as URLs are; what is signed has no place on a command line. */
function ofUrl(reading: Reading): TransferPath {
  const { rest, text, refuse } = reading;
  const bare = text.replace(/[?#].*$/su, "");
  if (bare !== text) {
    throw refuse(
      `${bare}?…: leave out what follows the ? or #. A signature (SAS) goes into ` +
        "AZURE_STORAGE_SAS_TOKEN; a ? of a key is %3F, a # is %23",
    );
  }
  const [host, path] = cut(rest);
  const name = host.toLowerCase();
  const other = otherHosts.find(([pattern]) => pattern.test(name));
  if (other !== undefined) throw refuse(`${bare}: say ${other[1]}`);
  const found = accountHosts.find(([pattern]) => pattern.test(name));
  if (found === undefined) {
    throw refuse(
      `${bare}: only URLs of Azure Blob (ACCOUNT.blob.core.windows.net) and ` +
        "R2 (ACCOUNT.r2.cloudflarestorage.com) are known; another store is s3://… --endpoint URL",
    );
  }
  const [pattern, store, usual] = found;
  const [, account = ""] = pattern.exec(name) ?? [];
  const endpoint = reading.endpoint ?? (usual === "" ? `https://${name}` : undefined);
  return ofAccount(store, {
    ...{ text, refuse, rest: `${account}/${decoded(path, refuse)}` },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(reading.region === undefined ? {} : { region: reading.region }),
  });
}

function file({ rest, text, refuse }: Reading): TransferPath {
  const [host, path] = cut(rest);
  if (host !== "" && host !== "localhost") {
    throw refuse(`${text}: a file URL has three slashes, as in file:///data`);
  }
  const decodedPath = `/${decoded(path, refuse)}`;
  if (decodedPath.includes("\0")) throw refuse("a path has no NUL byte");
  return { kind: "local", path: decodedPath };
}

function decoded(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse("its % do not stand for UTF-8; a % of a name is %25 in a URL");
  }
}
