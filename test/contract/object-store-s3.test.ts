// The S3 store keeps the contract, against the emulator that the tests bring; and against another
// that SKY_TEST_S3_ENDPOINT names, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for it.

import { test } from "node:test";
import type { StoreCredentials } from "../../transfer/stores/object-store.ts";
import { openS3Store } from "../../transfer/stores/store-s3.ts";
import { startS3Emulator } from "../support/s3-emulator.ts";
import { objectStoreContract } from "./object-store-suite.ts";

objectStoreContract("object-store-s3", async () => {
  const pageKeys = 7;
  const emulator = await startS3Emulator({ pageKeys });
  emulator.addBucket("bucket");
  const { url, accessKeyId, secretAccessKey, faults } = emulator;
  return {
    pageKeys,
    open: ({ bucket = "bucket" } = {}) =>
      openS3Store({
        bucket: { store: "s3", bucket, endpoint: url },
        credentials: { accessKeyId, secretAccessKey },
      }),
    deny: () => faults.add({ kind: "deny", times: 100 }),
    damage: (key) => emulator.damage("bucket", key),
    close: () => emulator.close(),
  };
});

const endpoint = process.env["SKY_TEST_S3_ENDPOINT"];

if (endpoint === undefined) {
  test("object-store-s3: another emulator", {
    skip: "SKY_TEST_S3_ENDPOINT names none (and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
  });
} else {
  let count = 0;
  objectStoreContract(`object-store-s3 at ${endpoint}`, async () => {
    count += 1;
    const name = `skylet-test-${process.pid}-${count}`;
    const credentials: StoreCredentials = {
      accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    };
    const open = (bucket: string) =>
      openS3Store({ bucket: { store: "s3", bucket, endpoint }, credentials });
    const signal = AbortSignal.timeout(60_000);
    const store = await open(name);
    await store.createBucket(signal);
    return {
      // Moto finds no route for it.
      skips: (key) => key.includes("\n"),
      open: ({ bucket = name } = {}) => open(bucket),
      close: async () => {
        for await (const page of store.list("", signal)) {
          await store.delete(
            page.map(({ key }) => key),
            signal,
          );
        }
        await store.deleteBucket(signal);
        await store.close();
      },
    };
  });
}
