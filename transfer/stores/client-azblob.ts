// A container of Azure Blob Storage, by the SDK; loaded when the first is opened.
//
// The SDK tries nothing again here, and tells what went wrong in its own words: `named` makes ours
// of them, without the signature that an address may have.

import type { ContainerClient, StoragePipelineOptions } from "@azure/storage-blob";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import { azureError, azureFailure } from "./azure-errors.ts";
import type { OpenStore, StoreCredentials } from "./object-store.ts";

export interface AzureContainer {
  readonly client: ContainerClient;
  /** `azure://account/container`, for errors. */
  readonly name: string;
  /** Requests at a time. */
  readonly connections: number;
  /** Runs it; what the SDK throws is told of `object`. */
  named<T>(object: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

const connectionsUsual = 32;

export async function openContainer(open: OpenStore): Promise<AzureContainer> {
  const { bucket, credentials, connections = connectionsUsual } = open;
  const client = await clientOf(bucket, credentials);
  const name = `azure://${bucket.account ?? ""}/${bucket.bucket}`;
  const secrets = [credentials.accountKey, credentials.sas, credentials.token].flatMap((secret) => {
    return secret === undefined ? [] : [secret];
  });
  return {
    client,
    name,
    connections,
    named: async (object, signal, work) => {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        if (isSkyError(error)) throw error;
        throw azureError(azureFailure(error), { container: name, object, secrets });
      }
    },
  };
}

async function clientOf(bucket: Bucket, credentials: StoreCredentials): Promise<ContainerClient> {
  const { account = "" } = bucket;
  const { accountKey, sas, token, ambient = false } = credentials;
  const { BlobServiceClient, StorageSharedKeyCredential } = await import("@azure/storage-blob");
  const base = (bucket.endpoint ?? `https://${account}.blob.core.windows.net`).replace(/\/+$/, "");
  const options: StoragePipelineOptions = {
    retryOptions: { maxTries: 1 },
    keepAliveOptions: { enable: true },
  };
  const service = (): InstanceType<typeof BlobServiceClient> => {
    if (accountKey !== undefined) {
      const shared = new StorageSharedKeyCredential(account, demandKey(accountKey));
      return new BlobServiceClient(base, shared, options);
    }
    const signature = sas?.replace(/^\?/, "") ?? "";
    return new BlobServiceClient(
      signature === "" ? base : `${base}?${signature}`,
      undefined,
      options,
    );
  };
  if (accountKey !== undefined || sas !== undefined || (token === undefined && !ambient)) {
    return service().getContainerClient(bucket.bucket);
  }
  const bearer =
    token === undefined
      ? new (await import("@azure/identity")).DefaultAzureCredential()
      : { getToken: async () => ({ token, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) };
  return new BlobServiceClient(base, bearer, options).getContainerClient(bucket.bucket);
}

/** Node would take any text, and sign with what is left of it. */
function demandKey(key: string): string {
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return key;
  const why = "the account's key is no base64";
  throw new SkyError("objects/denied", { object: "Azure's credentials", why });
}
