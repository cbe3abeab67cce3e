// Opening a store by its kind. Each adapter, and the library below it, is loaded when it is wanted.

import type { StoreKind } from "../../model/transfer-path.ts";
import type { ObjectStore, OpenStore } from "./object-store.ts";

export async function openStore(open: OpenStore): Promise<ObjectStore> {
  return await adapters[open.bucket.store](open);
}

type Adapter = (open: OpenStore) => Promise<ObjectStore>;

const openS3: Adapter = async (open) => (await import("./store-s3.ts")).openS3Store(open);

const adapters: Readonly<Record<StoreKind, Adapter>> = {
  s3: openS3,
  r2: openS3,
  cos: openS3,
  gs: async (open) => (await import("./store-gcs.ts")).openGcsStore(open),
  azure: async (open) => (await import("./store-azblob.ts")).openAzureStore(open),
  hdfs: async (open) => (await import("./store-hdfs-os.ts")).openHdfsStore(open),
};
