// Requests to Google Cloud Storage, signed with whatever proves who we are.
//
// Google's own library finds the credentials, makes tokens of them and keeps them fresh; the
// requests are ours. Its methods take no signal, have no list of an upload's parts, and unpack
// objects that are kept packed (`Content-Encoding: gzip`), which would be other bytes.
//
// What must always hold: a token is in a header and nowhere else; what goes wrong names the object.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { gcsError, gcsFailure } from "./gcs-errors.ts";
import {
  createHttpExchange,
  type HttpAnswer,
  type HttpExchange,
  type HttpRequest,
} from "./http-exchange-os.ts";
import type { OpenStore, StoreCredentials } from "./object-store.ts";

export interface GcsClient {
  readonly bucket: string;
  /** Requests at a time. */
  readonly connections: number;
  /**
   * An answer with a status below 300, or one of `expected`.
   * @throws SkyError `objects/…` for any other, and for what never came; it is told of `object`.
   */
  ask(asked: GcsRequest, signal: AbortSignal): Promise<HttpAnswer>;
  /** Of the credentials, where they have one: what new buckets are in. */
  projectId(): Promise<string | undefined>;
  close(): void;
}

export interface GcsRequest extends Omit<HttpRequest, "origin"> {
  /** A key, or what it is about. */
  readonly object: string;
  readonly expected?: readonly number[];
}

const originUsual = "https://storage.googleapis.com";
const connectionsUsual = 32;
/** To read and write objects, to list buckets' settings, and to make one. */
const scopes = ["https://www.googleapis.com/auth/devstorage.full_control"];

/** Headers that prove who we are; and whose project pays. */
interface Identity {
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  projectId(): Promise<string | undefined>;
}

export async function openGcsClient(open: OpenStore): Promise<GcsClient> {
  const { bucket, credentials, connections = connectionsUsual, requesterPays = false } = open;
  const identity = await identityOf(credentials);
  const payer = requesterPays ? await payerOf(identity) : {};
  const exchange = createHttpExchange(connections);
  const origin = new URL(bucket.endpoint ?? originUsual).origin;
  const place: Place = { exchange, identity, origin, payer, bucket: bucket.bucket };
  return {
    bucket: bucket.bucket,
    connections,
    ask: (asked, signal) => ask(place, asked, signal),
    projectId: () => identity.projectId(),
    close: () => exchange.close(),
  };
}

interface Place {
  readonly exchange: HttpExchange;
  readonly identity: Identity;
  readonly origin: string;
  readonly payer: Readonly<Record<string, string>>;
  readonly bucket: string;
}

async function ask(
  { exchange, identity, origin, payer, bucket }: Place,
  { object, expected = [], ...request }: GcsRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const proof = await identity.headers(signal).catch((error) => {
    throw isSkyError(error) ? error : unproven(error, object);
  });
  const headers = { ...request.headers, ...payer, ...proof };
  const answer = await exchange.ask({ ...request, origin, headers }, signal).catch((error) => {
    signal.throwIfAborted();
    const why = `${new URL(origin).host} does not answer: ${errorText(error)}`;
    throw new SkyError("objects/failed", { object, why }, { cause: error });
  });
  const { status, body } = answer;
  if (status < 300 || expected.includes(status)) return answer;
  throw gcsError(gcsFailure(status, body), { bucket: `gs://${bucket}`, object });
}

async function identityOf(credentials: StoreCredentials): Promise<Identity> {
  const { serviceAccount, token, project, ambient = false } = credentials;
  const projectId = async (): Promise<string | undefined> => project;
  if (token !== undefined) {
    const headers = { authorization: `Bearer ${token}` };
    return { headers: async () => headers, projectId };
  }
  // Whoever has none may read what is public.
  if (serviceAccount === undefined && !ambient) {
    return { headers: async () => ({}), projectId };
  }
  const { Storage } = await import("@google-cloud/storage");
  const account = serviceAccount === undefined ? undefined : accountOf(serviceAccount);
  const { authClient } = new Storage({
    ...(account === undefined ? {} : { credentials: account }),
    scopes,
    retryOptions: { autoRetry: false, maxRetries: 0 },
  });
  const named = project ?? account?.["project_id"];
  return {
    headers: async () => ({ ...(await authClient.getRequestHeaders()) }),
    projectId: async () =>
      // An instance knows its own; a user's credentials may name none.
      typeof named === "string" ? named : await authClient.getProjectId().catch(() => undefined),
  };
}

function accountOf(json: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    // What a parser says of it may have a piece of the key in it.
    const why = "the service account's key is no JSON";
    throw new SkyError("objects/denied", { object: "Google's credentials", why });
  }
}

/** @throws SkyError `objects/denied` if nobody knows who is to pay. */
async function payerOf(identity: Identity): Promise<Readonly<Record<string, string>>> {
  const project = await identity.projectId();
  if (project !== undefined) return { "x-goog-user-project": project };
  const why = "--requester-pays needs a project; say which with GOOGLE_CLOUD_PROJECT";
  throw new SkyError("objects/denied", { object: "Google's credentials", why });
}

/** No token: told without what the library says of the request, which has the assertion in it. */
function unproven(error: unknown, object: string): SkyError {
  const status = statusOf(error);
  const isDenied = status === undefined ? !hasNetworkCode(error) : status < 500 && status !== 429;
  const why = `no access token: ${errorText(error).slice(0, 200)}`;
  return new SkyError(isDenied ? "objects/denied" : "objects/failed", { object, why });
}

function statusOf(error: unknown): number | undefined {
  const response = error instanceof Error && "response" in error ? error.response : undefined;
  const status =
    typeof response === "object" && response !== null && "status" in response
      ? response.status
      : undefined;
  return typeof status === "number" ? status : undefined;
}

function hasNetworkCode(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z_]+$/.test(code);
}
