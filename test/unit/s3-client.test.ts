// Where a request of S3's kind goes, and what it says: looked at before it leaves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import type { Bucket } from "../../model/transfer-path.ts";
import { createClient, placeOf } from "../../transfer/stores/client-s3.ts";

interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const pair = { accessKeyId: "id", secretAccessKey: "secret" };

async function sent(bucket: Bucket, region: string, credentials: object = pair): Promise<Seen> {
  const client = await createClient({ bucket, credentials }, placeOf(bucket, region));
  const seen: Seen[] = [];
  client.middlewareStack.add(
    () =>
      async ({ request }) => {
        const made = request as Readonly<Record<"protocol" | "hostname" | "path", string>> &
          Pick<Seen, "headers"> & { readonly port?: number };
        const port = made.port === undefined ? "" : `:${made.port}`;
        const url = `${made.protocol}//${made.hostname}${port}${made.path}`;
        seen.push({ url, headers: made.headers });
        throw new Error("it does not leave");
      },
    { step: "finalizeRequest", priority: "low", name: "look" },
  );
  const command = new GetObjectCommand({ Bucket: bucket.bucket, Key: "a//b/../ü?" });
  await assert.rejects(client.send(command), /it does not leave/);
  client.destroy();
  assert.equal(seen.length, 1, "and nothing is tried again");
  return seen[0] ?? { url: "", headers: {} };
}

const key = "/a//b/../%C3%BC%3F";

test("S3's own buckets are hosts, or paths where a host has no certificate", async () => {
  const plain = await sent({ store: "s3", bucket: "box" }, "us-east-1");
  assert.equal(plain.url, `https://box.s3.us-east-1.amazonaws.com${key}`);
  const dotted = await sent({ store: "s3", bucket: "my.box" }, "eu-west-1");
  assert.equal(dotted.url, `https://s3.eu-west-1.amazonaws.com/my.box${key}`);
  assert.match(dotted.headers["authorization"] ?? "", /\/eu-west-1\/s3\/aws4_request/);
});

test("R2, COS and endpoints have the bucket in the path", async () => {
  const r2 = await sent({ store: "r2", account: "acct", bucket: "box" }, "auto");
  assert.equal(r2.url, `https://acct.r2.cloudflarestorage.com/box${key}`);
  const cos = await sent({ store: "cos", bucket: "box" }, "eu-de");
  assert.equal(cos.url, `https://s3.eu-de.cloud-object-storage.appdomain.cloud/box${key}`);
  const own = await sent({ store: "s3", bucket: "box", endpoint: "http://10.9.8.7:9000" }, "x");
  assert.equal(own.url, `http://10.9.8.7:9000/box${key}`);
});

test("the environment of the machine that asks sends no bucket elsewhere", async () => {
  const names = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
  for (const name of names) process.env[name] = "http://10.0.0.1:99";
  try {
    const seen = await sent({ store: "s3", bucket: "box" }, "us-east-1");
    assert.equal(seen.url, `https://box.s3.us-east-1.amazonaws.com${key}`);
  } finally {
    for (const name of names) delete process.env[name];
  }
});

test("bodies are not hashed for the signature, and who has no keys does not sign", async () => {
  const signed = await sent({ store: "s3", bucket: "box" }, "us-east-1");
  assert.equal(signed.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
  const anonymous = await sent({ store: "s3", bucket: "box" }, "us-east-1", {});
  assert.equal(anonymous.headers["authorization"], undefined);
});
