// The client of S3, and of each store that speaks like it: where it is, who we are, how long we
// wait.
//
// What must hold: the SDK tries nothing again (`maxAttempts: 1`): the budget is the caller's. It
// adds no checksum and no signature of a body by itself; each body has a `Content-MD5` that we
// made, which is signed with the headers. Sockets are kept and counted; one that is silent for
// `silenceMsMax` ends its request.
//
// Source: docs.aws.amazon.com/AWSJavaScriptSDK/v3, S3Client and NodeHttpHandler.

import { createHash } from "node:crypto";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { SkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import type { OpenStore, StoreCredentials } from "./object-store.ts";
import { bucketText } from "./paths.ts";

const connectMsMax = 10_000;
const silenceMsMax = 60_000;
const connectionsUsual = 32;

export interface S3Place {
  readonly region: string;
  readonly endpoint?: string;
}

/** Regions of Cloud Object Storage, for a bucket whose own is not said: IBM has one name space. */
export const cosRegions: readonly string[] = [
  ...["us-south", "us-east", "eu-de", "eu-gb", "eu-es", "jp-tok", "jp-osa", "au-syd", "ca-tor"],
  ...["ca-mon", "br-sao", "us", "eu", "ap"],
];

/** Where a bucket is served. For S3 itself the SDK knows it by the region. */
export function placeOf(bucket: Bucket, region: string): S3Place {
  const { endpoint } = bucket;
  if (endpoint !== undefined) return { region, endpoint };
  if (bucket.store === "r2") {
    return { region: "auto", endpoint: `https://${bucket.account}.r2.cloudflarestorage.com` };
  }
  if (bucket.store === "cos") {
    // Source: cloud.ibm.com/docs/cloud-object-storage, "Endpoints and storage locations".
    return { region, endpoint: `https://s3.${region}.cloud-object-storage.appdomain.cloud` };
  }
  return { region };
}

export async function createClient(open: OpenStore, place: S3Place): Promise<S3Client> {
  const sdk = await import("@aws-sdk/client-s3");
  const agent = { keepAlive: true, maxSockets: open.connections ?? connectionsUsual };
  const config: S3ClientConfig = {
    region: place.region,
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    // A bucket with a dot has no certificate as a host.
    forcePathStyle: place.endpoint !== undefined || open.bucket.bucket.includes("."),
    maxAttempts: 1,
    // The order says where a bucket is, whatever the environment of this machine says.
    ignoreConfiguredEndpointUrls: true,
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    followRegionRedirects: false,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Asking first would cost a round trip and a connection for each part.
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
      connectionTimeout: connectMsMax,
      socketTimeout: silenceMsMax,
      // Requests above the limit wait for a socket, as they are meant to.
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
    },
    ...credentialsOf(open.credentials),
  };
  const client = new sdk.S3Client(config);
  setHeaders(client, open);
  return client;
}

function credentialsOf(given: StoreCredentials): S3ClientConfig {
  const { accessKeyId, secretAccessKey, sessionToken, ambient } = given;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const token = sessionToken === undefined ? {} : { sessionToken };
    return { credentials: { accessKeyId, secretAccessKey, ...token } };
  }
  // The SDK's own chain: an instance's or a container's role.
  if (ambient === true) return {};
  return {
    credentials: { accessKeyId: "", secretAccessKey: "" },
    signer: { sign: async (request) => request },
  };
}

function setHeaders(client: S3Client, { requesterPays }: OpenStore): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as Request;
      const { headers, body } = request;
      // The body is bound by its Content-MD5; hashing it once more for the signature is not needed.
      headers["x-amz-content-sha256"] ??= "UNSIGNED-PAYLOAD";
      if (requesterPays === true) headers["x-amz-request-payer"] = "requester";
      // The SDK's own XML: stores of other makers know no newer sum.
      if (typeof body === "string" && body !== "") {
        headers["content-md5"] ??= createHash("md5").update(body).digest("base64");
      }
      return next(args);
    },
    { step: "build", name: "skyletHeaders", priority: "low" },
  );
}

interface Request {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/**
 * The region of a bucket of S3 itself: any answer about it says so, even a refusal. Source:
 * docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html.
 */
export async function findRegion(open: OpenStore, signal: AbortSignal): Promise<string> {
  const { bucket } = open;
  if (bucket.region !== undefined) return bucket.region;
  if (bucket.store === "r2") return "auto";
  if (bucket.endpoint !== undefined) return "us-east-1";
  if (bucket.store === "cos") return findCosRegion(open, signal);
  const answer = await headBucket(open, "us-east-1", signal);
  return answer.region ?? "us-east-1";
}

async function findCosRegion(open: OpenStore, signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(
    cosRegions.map(async (region) => ({ region, ...(await headBucket(open, region, signal)) })),
  );
  const found = answers.find(({ status }) => status !== undefined && status < 300);
  const denied = answers.find(({ status }) => status === 403);
  const region = (found ?? denied)?.region;
  if (region !== undefined) return region;
  if (answers.every(({ status }) => status === 404)) {
    throw new SkyError("objects/no-bucket", { bucket: bucketText(open.bucket) });
  }
  const why = "its region cannot be found out; say it with --region";
  throw new SkyError("objects/failed", { object: bucketText(open.bucket), why });
}

interface Answer {
  readonly status?: number;
  readonly region?: string;
}

async function headBucket(open: OpenStore, region: string, signal: AbortSignal): Promise<Answer> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = await createClient(open, placeOf(open.bucket, region));
  try {
    const command = new sdk.HeadBucketCommand({ Bucket: open.bucket.bucket });
    const { BucketRegion, $metadata } = await client.send(command, { abortSignal: signal });
    return answerOf($metadata.httpStatusCode, BucketRegion);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof sdk.S3ServiceException)) throw error;
    const headers = error.$response?.headers ?? {};
    return answerOf(error.$metadata.httpStatusCode, headers["x-amz-bucket-region"]);
  } finally {
    client.destroy();
  }
}

function answerOf(status: number | undefined, region: string | undefined): Answer {
  return {
    ...(status === undefined ? {} : { status }),
    ...(region === undefined ? {} : { region }),
  };
}
