// Paths of transfers: every form, every look-alike, and printing that reads as the same again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { TransferPath } from "../../model/transfer-path.ts";
import { parseTransferPath, transferPathText } from "../../transfer/stores/paths.ts";
import { fc } from "../support/property.ts";

const local = (path: string): TransferPath => ({ kind: "local", path });
const node = (cluster: string, path: string, id?: string): TransferPath => ({
  ...{ kind: "node", cluster, path },
  ...(id === undefined ? {} : { node: id }),
});
const s3 = (bucket: string, key: string): TransferPath => ({
  kind: "store",
  bucket: { store: "s3", bucket },
  key,
});
const ofAccount = (store: "azure" | "r2", bucket: string, key: string): TransferPath => ({
  kind: "store",
  bucket: { store, account: "acct", bucket },
  key,
});

const forms: readonly (readonly [text: string, path: TransferPath])[] = [
  ["data", local("data")],
  ["./data/", local("./data/")],
  [".", local(".")],
  ["../x", local("../x")],
  ["/data", local("/data")],
  ["~/x", local("~/x")],
  ["./a:b", local("./a:b")],
  ["/a:b", local("/a:b")],
  ["a b/c", local("a b/c")],
  ["one/two/three:four", local("one/two/three:four")],
  ["file:///data/x", local("/data/x")],
  ["file:///a%20b%25", local("/a b%")],
  ["file://localhost/x", local("/x")],
  ["demo:data", node("demo", "data")],
  ["demo:~/data/", node("demo", "data/")],
  ["demo:", node("demo", "")],
  ["demo:~", node("demo", "")],
  ["demo:/data", node("demo", "/data")],
  ["demo:a:b", node("demo", "a:b")],
  ["demo/worker1:data", node("demo", "data", "worker1")],
  ["demo/*:data", node("demo", "data", "*")],
  ["c:/data", node("c", "/data")],
  ["s3/head:data", node("s3", "data", "head")],
  ["s3://b", s3("b", "")],
  ["s3://b/", s3("b", "")],
  ["S3://b/k", s3("b", "k")],
  ["s3://my.bucket-1/a//b/../c %20?#x", s3("my.bucket-1", "a//b/../c %20?#x")],
  ["s3://b//x", s3("b", "/x")],
  ["s3://b/日本/🧪", s3("b", "日本/🧪")],
  ["gs://b/k", { kind: "store", bucket: { store: "gs", bucket: "b" }, key: "k" }],
  ["cos://b/k", { kind: "store", bucket: { store: "cos", bucket: "b" }, key: "k" }],
  ["azure://acct/box/k/l", ofAccount("azure", "box", "k/l")],
  ["azure://acct/$web/k", ofAccount("azure", "$web", "k")],
  ["https://acct.blob.core.windows.net/box/a%20b", ofAccount("azure", "box", "a b")],
  ["r2://acct/box/k", ofAccount("r2", "box", "k")],
  ["https://acct.r2.cloudflarestorage.com/box/k", ofAccount("r2", "box", "k")],
  [
    "hdfs://nn:9870/a/b",
    { kind: "store", bucket: { store: "hdfs", bucket: "nn:9870" }, key: "a/b" },
  ],
  ["hdfs://nn/", { kind: "store", bucket: { store: "hdfs", bucket: "nn" }, key: "" }],
];

test("every form is read", () => {
  for (const [text, path] of forms) assert.deepEqual(parseTransferPath(text), path, text);
});

test("what is printed reads as the same path", () => {
  for (const [, path] of forms) {
    const text = transferPathText(path);
    assert.deepEqual(parseTransferPath(text), path, text);
  }
  for (const path of ["demo:x", "a/b:c", "s3://b/k", "C:\\x", "s3:k"].map(local)) {
    const text = transferPathText(path);
    assert.deepEqual(parseTransferPath(text), local(`./${path.kind === "local" && path.path}`));
  }
  const home = node("demo", "~/x");
  assert.deepEqual(parseTransferPath(transferPathText(home)), home);
});

test("any key of any Unicode survives printing and reading", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (key) => {
      const path = s3("bucket", key);
      if (key.isWellFormed()) {
        assert.deepEqual(parseTransferPath(transferPathText(path)), path);
      }
    }),
  );
});

test("an endpoint and a region belong to the bucket", () => {
  const options = { endpoint: "http://127.0.0.1:9000", region: "eu-west-1" };
  assert.deepEqual(parseTransferPath("s3://b/k", options), {
    kind: "store",
    bucket: { store: "s3", bucket: "b", ...options },
    key: "k",
  });
  assert.deepEqual(parseTransferPath("./x", options), local("./x"));
  const china = parseTransferPath("https://acct.blob.core.chinacloudapi.cn/box/k");
  assert.ok(china.kind === "store");
  assert.equal(china.bucket.endpoint, "https://acct.blob.core.chinacloudapi.cn");
});

const refusals: readonly (readonly [text: string, says: RegExp])[] = [
  ["", /empty/],
  ["az://acct/box/k", /say azure:\/\/ACCOUNT\/CONTAINER\/KEY/],
  ["abfss://box@acct/k", /say azure:\/\//],
  ["gcs://b/k", /say gs:\/\//],
  ["s3a://b/k", /say s3:\/\//],
  ["minio://b/k", /--endpoint/],
  ["sftp://h/k", /CLUSTER:PATH/],
  ["dropbox://x", /no store that is known/],
  ["constructor://x", /no store that is known/],
  ["s3:b/k", /say s3:\/\/…/],
  ["s3:/b/k", /say s3:\/\/…/],
  ["file:/x", /say file:\/\/…/],
  ["file://host/x", /three slashes/],
  ["s3://", /names no bucket/],
  ["s3:///k", /names no bucket/],
  ["s3://b ucket/k", /cannot be the name of a bucket/],
  ["azure://acct", /names no container/],
  ["r2://acct", /names no bucket/],
  ["hdfs:///x", /name node/],
  ["C:\\data", /Windows/],
  ["c:\\data", /Windows/],
  ["C:/data", /Windows/],
  ["user@host:x", /ssh/],
  ["Demo:x", /cannot be a cluster/],
  ["My File: a.txt", /say \.\/My File/],
  ["demo:~other/x", /only one's own/],
  ["demo/a b:x", /cannot be a cluster/],
  ["https://b.s3.eu-west-1.amazonaws.com/k", /say s3:\/\//],
  ["https://storage.googleapis.com/b/k", /say gs:\/\//],
  ["https://example.com/x", /--endpoint URL/],
  ["https://acct.blob.core.windows.net/", /names no container/],
  ["https://acct.blob.core.windows.net/box/%ff", /UTF-8/],
  ["a\0b", /NUL/],
  ["s3://b/\ud800", /surrogate/],
];

test("look-alikes are refused with what is meant", () => {
  for (const [text, says] of refusals) {
    assert.throws(
      () => parseTransferPath(text, { field: "source" }),
      (error: unknown) => isSkyError(error, "request/invalid") && says.test(error.message),
      text,
    );
  }
});

test("a signature in a URL is in no error", () => {
  const signed = "https://acct.blob.core.windows.net/box/k?sv=1&sig=SECRET";
  assert.throws(
    () => parseTransferPath(signed),
    (error: unknown) => error instanceof Error && !error.message.includes("SECRET"),
  );
});
