// Where credentials of stores are found, and that they go nowhere else: into no error, to no other
// store.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Bucket } from "../../model/transfer-path.ts";
import { connectionString, iniSections } from "../../transfer/stores/credential-files.ts";
import { credentialVariables } from "../../transfer/stores/credential-names.ts";
import { type CredentialWorld, findCredentials } from "../../transfer/stores/credentials.ts";
import { resolveCredentials } from "../../transfer/stores/credentials-os.ts";

const s3: Bucket = { store: "s3", bucket: "b" };
const r2: Bucket = { store: "r2", account: "acct", bucket: "b" };
const cos: Bucket = { store: "cos", bucket: "b" };
const gs: Bucket = { store: "gs", bucket: "b" };
const azure: Bucket = { store: "azure", account: "acct", bucket: "b" };
const hdfs: Bucket = { store: "hdfs", bucket: "nn:9870" };

function world(
  environment: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): CredentialWorld {
  return {
    ...{ environment, home: "/home", user: "me" },
    read: async (path) => files[path],
    assume: async (profile) => ({ accessKeyId: `assumed-${profile}`, secretAccessKey: "s" }),
    azureToken: async ({ tenant }) => `token-of-${tenant}`,
  };
}

const pair = (id: string, secret: string) => ({ accessKeyId: id, secretAccessKey: secret });
const awsEnv = { AWS_ACCESS_KEY_ID: "env-id", AWS_SECRET_ACCESS_KEY: "env-secret" };

test("S3: variables, then the profile's files, then the machine's role", async () => {
  const files = {
    "/home/.aws/credentials":
      "# mine\n[default]\naws_access_key_id = id\naws_secret_access_key=a=b+/\n" +
      "[work]\naws_access_key_id=w\naws_secret_access_key=ws\naws_session_token=t\n",
    "/home/.aws/config":
      "[default]\nregion = eu-west-1\ns3 =\n  max_concurrent_requests = 20\n" +
      "[profile role]\nrole_arn = arn:x\nsource_profile = default\n",
  };
  const of = async (environment: Record<string, string>, given = files) =>
    (await findCredentials(s3, world(environment, given))).credentials;
  assert.deepEqual(await of(awsEnv), pair("env-id", "env-secret"));
  const withToken = await of({ ...awsEnv, AWS_SESSION_TOKEN: "st" });
  assert.deepEqual(withToken, { ...pair("env-id", "env-secret"), sessionToken: "st" });
  assert.deepEqual(await of({}), pair("id", "a=b+/"));
  assert.deepEqual(await of({ AWS_PROFILE: "work" }), { ...pair("w", "ws"), sessionToken: "t" });
  assert.deepEqual(await of({ AWS_PROFILE: "role" }), pair("assumed-role", "s"));
  const none = (await findCredentials(s3, world({}))).credentials;
  assert.deepEqual(none, { ambient: true });
  await assert.rejects(of({ AWS_PROFILE: "nobody" }), /profile nobody.*in no file/);
  const half = await of({ AWS_ACCESS_KEY_ID: "only", AWS_SECRET_ACCESS_KEY: "" });
  assert.deepEqual(half, pair("id", "a=b+/"));
});

test("S3: an endpoint comes from the order, then from variables, with the region", async () => {
  const environment = { ...awsEnv, AWS_ENDPOINT_URL_S3: "http://there", AWS_REGION: "r1" };
  const found = await findCredentials(s3, world(environment));
  assert.deepEqual(found.bucket, { ...s3, endpoint: "http://there", region: "r1" });
  const named = { ...s3, endpoint: "http://here", region: "r2" };
  assert.deepEqual((await findCredentials(named, world(environment))).bucket, named);
  const plain = await findCredentials(s3, world({ ...awsEnv, AWS_REGION: "r1" }));
  assert.deepEqual(plain.bucket, s3, "a bucket of S3 says itself where it is");
  const open = await findCredentials({ ...s3, endpoint: "http://here" }, world({}));
  assert.deepEqual(open.credentials, {});
});

test("R2 and COS have their own, and never those of AWS", async () => {
  const r2Env = { R2_ACCESS_KEY_ID: "r", R2_SECRET_ACCESS_KEY: "rs" };
  assert.deepEqual((await findCredentials(r2, world(r2Env))).credentials, pair("r", "rs"));
  const cosEnv = { COS_ACCESS_KEY_ID: "c", COS_SECRET_ACCESS_KEY: "cs", COS_REGION: "eu-de" };
  const found = await findCredentials(cos, world(cosEnv));
  assert.deepEqual(found, { bucket: { ...cos, region: "eu-de" }, credentials: pair("c", "cs") });
  const keys = { access_key_id: "f", secret_access_key: "fs" };
  const files = { "/home/.bluemix/cos_credentials": JSON.stringify({ cos_hmac_keys: keys }) };
  assert.deepEqual((await findCredentials(cos, world({}, files))).credentials, pair("f", "fs"));
  for (const bucket of [r2, cos]) {
    await assert.rejects(
      findCredentials(bucket, world(awsEnv)),
      (error: unknown) =>
        isSkyError(error, "objects/denied") && !error.message.includes("env-secret"),
    );
  }
  const profile = "[r2]\naws_access_key_id=p\naws_secret_access_key=ps\n";
  const own = await findCredentials(r2, world({}, { "/home/.aws/credentials": profile }));
  assert.deepEqual(own.credentials, pair("p", "ps"));
});

test("Google: a token, a named file, the usual file, the machine's role", async () => {
  const usual = { "/home/.config/gcloud/application_default_credentials.json": "{usual}" };
  const of = async (environment: Record<string, string>, files: Record<string, string> = {}) =>
    findCredentials(gs, world(environment, files));
  const named = { GOOGLE_APPLICATION_CREDENTIALS: "/k.json", GOOGLE_CLOUD_PROJECT: "p" };
  const found = await of(named, { "/k.json": "{mine}", ...usual });
  assert.deepEqual(found.credentials, { serviceAccount: "{mine}", project: "p" });
  assert.deepEqual((await of({}, usual)).credentials, { serviceAccount: "{usual}" });
  assert.deepEqual((await of({})).credentials, { ambient: true });
  assert.deepEqual((await of({ GOOGLE_OAUTH_ACCESS_TOKEN: "t" })).credentials, { token: "t" });
  await assert.rejects(of(named), /k\.json.*cannot be read/);
  const emulated = await of({ STORAGE_EMULATOR_HOST: "127.0.0.1:4443" });
  assert.deepEqual(emulated, {
    bucket: { ...gs, endpoint: "http://127.0.0.1:4443" },
    credentials: {},
  });
});

test("Azure: a key of this account, a signature, a connection string, a principal", async () => {
  const of = async (environment: Record<string, string>) =>
    findCredentials(azure, world(environment));
  const key = { AZURE_STORAGE_KEY: "k" };
  assert.deepEqual((await of(key)).credentials, { accountKey: "k" });
  const other = await of({ ...key, AZURE_STORAGE_ACCOUNT: "another" });
  assert.deepEqual(other.credentials, { ambient: true });
  assert.deepEqual((await of({ AZURE_STORAGE_SAS_TOKEN: "?sv=1&sig=x" })).credentials, {
    sas: "sv=1&sig=x",
  });
  const text = "AccountName=acct;AccountKey=a==;EndpointSuffix=core.chinacloudapi.cn";
  assert.deepEqual(await of({ AZURE_STORAGE_CONNECTION_STRING: text }), {
    bucket: { ...azure, endpoint: "https://acct.blob.core.chinacloudapi.cn" },
    credentials: { accountKey: "a==" },
  });
  const theirs = { AZURE_STORAGE_CONNECTION_STRING: "AccountName=zzz;AccountKey=a==" };
  assert.deepEqual((await of(theirs)).credentials, { ambient: true });
  const principal = { AZURE_TENANT_ID: "t", AZURE_CLIENT_ID: "c", AZURE_CLIENT_SECRET: "s" };
  assert.deepEqual((await of(principal)).credentials, { token: "token-of-t" });
  const emulator = connectionString("UseDevelopmentStorage=true");
  assert.equal(emulator.endpoint, "http://127.0.0.1:10000/devstoreaccount1");
});

test("HDFS: a token, or a name", async () => {
  const of = async (environment: Record<string, string>) =>
    (await findCredentials(hdfs, world(environment))).credentials;
  assert.deepEqual(await of({ HADOOP_DELEGATION_TOKEN: "t" }), { token: "t" });
  assert.deepEqual(await of({ HADOOP_USER_NAME: "root" }), { user: "root" });
  assert.deepEqual(await of({}), { user: "me" });
});

test("a profile's program is asked for its keys", async () => {
  const home = mkdtempSync(join(tmpdir(), "sky-credentials-"));
  try {
    const program = join(home, "keys.sh");
    const keys = { Version: 1, AccessKeyId: "pid", SecretAccessKey: "psecret" };
    writeFileSync(program, `#!/bin/sh\necho '${JSON.stringify(keys)}'\n`);
    chmodSync(program, 0o700);
    mkdirSync(join(home, ".aws"));
    writeFileSync(join(home, ".aws/config"), `[profile p]\ncredential_process = ${program}\n`);
    const environment = {
      ...{ HOME: home, AWS_PROFILE: "p", AWS_CONFIG_FILE: join(home, ".aws/config") },
      AWS_SHARED_CREDENTIALS_FILE: join(home, ".aws/credentials"),
    };
    const { credentials } = await resolveCredentials(s3, environment);
    assert.deepEqual(credentials, pair("pid", "psecret"));
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("every variable that is read is one that a client sends along", async () => {
  const asked = new Set<string>();
  const environment = new Proxy<Record<string, string>>(
    {},
    {
      get: (_, name) => {
        asked.add(String(name));
        return undefined;
      },
    },
  );
  for (const bucket of [s3, r2, cos, gs, azure, hdfs]) {
    // Where nothing is found it fails, having asked for all.
    await findCredentials(bucket, world(environment)).catch(() => undefined);
  }
  const unsent = [...asked].filter((name) => !credentialVariables.includes(name));
  assert.deepEqual(unsent, []);
  assert.ok(asked.size > 20, "they were asked for");
});

test("an INI file is read as AWS reads it", () => {
  const sections = iniSections("[ a ]\r\nX = 1 \n;no\n[b]\n  under = 2\ny=\n[a]\nz=3");
  assert.deepEqual(
    [...sections].map(([name, all]) => [name, Object.fromEntries(all)]),
    [
      ["a", { x: "1", z: "3" }],
      ["b", { y: "" }],
    ],
  );
});
