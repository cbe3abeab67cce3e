// Credentials of stores from this machine: its environment, its files, and what they refer to.
//
// What must hold: nothing that is found is printed or written; a failure says where it was looked,
// not what was there.

import { readFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { errorText, SkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import {
  type AzurePrincipal,
  type CredentialWorld,
  findCredentials,
  type ResolvedStore,
} from "./credentials.ts";
import type { StoreCredentials } from "./object-store.ts";

/** @throws SkyError `objects/denied` */
export function resolveCredentials(
  bucket: Bucket,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ResolvedStore> {
  return findCredentials(bucket, {
    ...{ environment, home: environment["HOME"] ?? homedir(), user: userInfo().username },
    ...{ read, azureToken },
    assume: (profile) => assume(profile, environment),
  });
}

const read: CredentialWorld["read"] = async (path) => {
  try {
    return await readFile(path, "utf8");
  } catch {
    // Not there, or not ours to read: the next place is looked at.
    return undefined;
  }
};

/** The SDK's own chain knows roles, logins and programs. */
async function assume(
  profile: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<StoreCredentials> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  const filepath = environment["AWS_SHARED_CREDENTIALS_FILE"];
  const configFilepath = environment["AWS_CONFIG_FILE"];
  const client = new S3Client({
    ...{ profile, region: environment["AWS_REGION"] ?? "us-east-1" },
    ...(filepath === undefined ? {} : { filepath }),
    ...(configFilepath === undefined ? {} : { configFilepath }),
  });
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
    const token = sessionToken === undefined ? {} : { sessionToken };
    return { accessKeyId, secretAccessKey, ...token };
  } catch (error) {
    const why = errorText(error).replace(/\s+/g, " ").slice(0, 300);
    throw new SkyError("objects/denied", { object: `profile ${profile}`, why });
  } finally {
    client.destroy();
  }
}

/** Good for about an hour. */
async function azureToken({ tenant, client, secret }: AzurePrincipal): Promise<string> {
  const { ClientSecretCredential } = await import("@azure/identity");
  const object = `service principal ${client}`;
  try {
    const credential = new ClientSecretCredential(tenant, client, secret);
    return (await credential.getToken("https://storage.azure.com/.default")).token;
  } catch (error) {
    const why = errorText(error).replaceAll(secret, "…").replace(/\s+/g, " ").slice(0, 300);
    throw new SkyError("objects/denied", { object, why });
  }
}
