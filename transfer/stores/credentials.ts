// How to prove who we are to a store, found as the stores' own tools find it: variables, then
// files.
//
// What must hold: credentials of one store are never given to another (a key of AWS goes to no
// other cloud, but to an endpoint that the user named). Where the usual place has none, the error
// says which variable or file would do; nothing of their content is in it. What has to be asked for
// (a role, a login) is the world's to get: this file only reads.

import { SkyError } from "../../model/errors.ts";
import type { Bucket, StoreKind } from "../../model/transfer-path.ts";
import { connectionString, hmacKeys, iniSections } from "./credential-files.ts";
import type { StoreCredentials } from "./object-store.ts";
import { bucketText } from "./paths.ts";

export interface ResolvedStore {
  /** With its endpoint and region, where the environment says them. */
  readonly bucket: Bucket;
  readonly credentials: StoreCredentials;
}

export interface CredentialWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The user's folder. */
  readonly home: string;
  readonly user: string;
  /** A file's text; nothing if there is none. */
  read(path: string): Promise<string | undefined>;
  /** What a profile that names a role, a login or a program stands for. */
  assume(profile: string): Promise<StoreCredentials>;
  /** A token of a service principal. */
  azureToken(principal: AzurePrincipal): Promise<string>;
}

export interface AzurePrincipal {
  readonly tenant: string;
  readonly client: string;
  readonly secret: string;
}

type Resolve = (bucket: Bucket, world: CredentialWorld) => Promise<ResolvedStore>;

const resolvers = { s3, r2, cos, gs, azure, hdfs } as const satisfies Record<StoreKind, Resolve>;

/** @throws SkyError `objects/denied` */
export function findCredentials(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  return resolvers[bucket.store](bucket, world);
}

async function s3(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const profile = env("AWS_PROFILE") ?? env("AWS_DEFAULT_PROFILE") ?? "default";
  const settings = await awsProfile(profile, world);
  const endpoint =
    bucket.endpoint ??
    env("AWS_ENDPOINT_URL_S3") ??
    env("AWS_ENDPOINT_URL") ??
    settings.get("endpoint_url");
  const own = endpoint === undefined ? bucket : { ...bucket, endpoint };
  // A bucket of S3 itself says where it is; another store is told what it is called there.
  const region = env("AWS_REGION") ?? env("AWS_DEFAULT_REGION") ?? settings.get("region");
  const placed =
    endpoint === undefined || bucket.region !== undefined || region === undefined
      ? own
      : { ...own, region };
  const given = keyPair(env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"));
  const token = env("AWS_SESSION_TOKEN");
  if (given !== undefined) return resolved(placed, withToken(given, token));
  return resolved(placed, await profileCredentials(profile, { settings, world, endpoint }));
}

async function profileCredentials(
  profile: string,
  given: {
    readonly settings: ReadonlyMap<string, string>;
    readonly world: CredentialWorld;
    readonly endpoint: string | undefined;
  },
): Promise<StoreCredentials> {
  const { settings, world, endpoint } = given;
  const asks = ["role_arn", "sso_session", "sso_start_url", "credential_process", "login_session"];
  if (asks.some((name) => settings.has(name))) return world.assume(profile);
  const pair = keyPair(settings.get("aws_access_key_id"), settings.get("aws_secret_access_key"));
  if (pair !== undefined) return withToken(pair, settings.get("aws_session_token"));
  const named = world.environment["AWS_PROFILE"];
  if (named !== undefined && settings.size === 0) {
    throw denied(`profile ${named}`, "AWS_PROFILE names it, and it is in no file of AWS");
  }
  // The role of the machine that opens it; a store of one's own may ask for nothing.
  return endpoint === undefined ? { ambient: true } : {};
}

/** The profile's settings in both files; those of the first win. */
async function awsProfile(
  profile: string,
  world: CredentialWorld,
): Promise<ReadonlyMap<string, string>> {
  const env = variables(world);
  const secret = env("AWS_SHARED_CREDENTIALS_FILE") ?? `${world.home}/.aws/credentials`;
  const config = env("AWS_CONFIG_FILE") ?? `${world.home}/.aws/config`;
  const [keys, settings] = await Promise.all([world.read(secret), world.read(config)]);
  const name = profile === "default" ? "default" : `profile ${profile}`;
  return new Map([
    ...(iniSections(settings ?? "").get(name) ?? []),
    ...(iniSections(keys ?? "").get(profile) ?? []),
  ]);
}

async function r2(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const given = keyPair(env("R2_ACCESS_KEY_ID"), env("R2_SECRET_ACCESS_KEY"));
  if (given !== undefined) return resolved(bucket, given);
  const settings = await awsProfile("r2", world);
  const pair = keyPair(settings.get("aws_access_key_id"), settings.get("aws_secret_access_key"));
  if (pair !== undefined) return resolved(bucket, pair);
  throw missing(bucket, "set R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY (an API token of R2)");
}

async function cos(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const endpoint = bucket.endpoint ?? env("COS_ENDPOINT");
  const region = bucket.region ?? env("COS_REGION");
  const placed = {
    ...bucket,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  };
  const given = keyPair(env("COS_ACCESS_KEY_ID"), env("COS_SECRET_ACCESS_KEY"));
  if (given !== undefined) return resolved(placed, given);
  const path = env("IBM_CONFIG_FILE") ?? `${world.home}/.bluemix/cos_credentials`;
  const keys = hmacKeys((await world.read(path)) ?? "");
  const pair = keyPair(keys?.id, keys?.secret);
  if (pair !== undefined) return resolved(placed, pair);
  throw missing(
    bucket,
    "set COS_ACCESS_KEY_ID and COS_SECRET_ACCESS_KEY (HMAC), or put service credentials with " +
      "cos_hmac_keys into ~/.bluemix/cos_credentials",
  );
}

async function gs(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const named = env("GOOGLE_CLOUD_PROJECT") ?? env("CLOUDSDK_CORE_PROJECT");
  const project = named === undefined ? {} : { project: named };
  const emulated = env("STORAGE_EMULATOR_HOST");
  const host =
    emulated === undefined || /^https?:/.test(emulated) ? emulated : `http://${emulated}`;
  const endpoint = bucket.endpoint ?? host;
  const placed = endpoint === undefined ? bucket : { ...bucket, endpoint };
  const token = env("GOOGLE_OAUTH_ACCESS_TOKEN");
  if (token !== undefined) return resolved(placed, { token, ...project });
  const path = env("GOOGLE_APPLICATION_CREDENTIALS");
  const usual = `${env("CLOUDSDK_CONFIG") ?? `${world.home}/.config/gcloud`}/${googleFile}`;
  const serviceAccount = await world.read(path ?? usual);
  if (serviceAccount !== undefined) return resolved(placed, { serviceAccount, ...project });
  if (path !== undefined) {
    throw denied(path, "GOOGLE_APPLICATION_CREDENTIALS names it, and it cannot be read");
  }
  return resolved(placed, endpoint === undefined ? { ambient: true, ...project } : project);
}

const googleFile = "application_default_credentials.json";

async function azure(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const string = connectionString(env("AZURE_STORAGE_CONNECTION_STRING") ?? "");
  const isOfString = string.account === undefined || string.account === bucket.account;
  const ofString = isOfString ? string : {};
  const endpoint = bucket.endpoint ?? ofString.endpoint;
  const placed = endpoint === undefined ? bucket : { ...bucket, endpoint };
  // A key that is said to be another account's is none of this one's.
  const account = env("AZURE_STORAGE_ACCOUNT") ?? bucket.account;
  const isOurs = account === bucket.account;
  const sas = (isOurs ? env("AZURE_STORAGE_SAS_TOKEN") : undefined) ?? ofString.sas;
  const accountKey = (isOurs ? env("AZURE_STORAGE_KEY") : undefined) ?? ofString.key;
  if (accountKey !== undefined) return resolved(placed, { accountKey });
  if (sas !== undefined) return resolved(placed, { sas: sas.replace(/^\?/, "") });
  const tenant = env("AZURE_TENANT_ID");
  const client = env("AZURE_CLIENT_ID");
  const secret = env("AZURE_CLIENT_SECRET");
  if (tenant !== undefined && client !== undefined && secret !== undefined) {
    return resolved(placed, { token: await world.azureToken({ tenant, client, secret }) });
  }
  // `az login`, or the machine's own identity.
  return resolved(placed, { ambient: true });
}

async function hdfs(bucket: Bucket, world: CredentialWorld): Promise<ResolvedStore> {
  const env = variables(world);
  const token = env("HADOOP_DELEGATION_TOKEN");
  if (token !== undefined) return resolved(bucket, { token });
  return resolved(bucket, { user: env("HADOOP_USER_NAME") ?? world.user });
}

// Pieces

/** A variable that is empty counts as not set, as it does for the stores' own tools. */
function variables({ environment }: CredentialWorld): (name: string) => string | undefined {
  return (name) => (environment[name] === "" ? undefined : environment[name]);
}

function keyPair(id: string | undefined, secret: string | undefined): StoreCredentials | undefined {
  if (id === undefined || secret === undefined || id === "" || secret === "") return undefined;
  return { accessKeyId: id, secretAccessKey: secret };
}

function withToken(pair: StoreCredentials, token: string | undefined): StoreCredentials {
  return token === undefined || token === "" ? pair : { ...pair, sessionToken: token };
}

function resolved(bucket: Bucket, credentials: StoreCredentials): ResolvedStore {
  return { bucket, credentials };
}

function missing(bucket: Bucket, fix: string): SkyError {
  return denied(bucketText(bucket), `no credentials: ${fix}`);
}

function denied(object: string, why: string): SkyError {
  return new SkyError("objects/denied", { object, why });
}
