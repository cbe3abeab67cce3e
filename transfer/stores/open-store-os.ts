// Opening a store by its kind. Each adapter, and the library below it, is loaded when it is wanted.

import { SkyError } from "../../model/errors.ts";
import type { StoreKind } from "../../model/transfer-path.ts";
import type { ObjectStore, OpenStore } from "./object-store.ts";
import { bucketText } from "./paths.ts";

export async function openStore(open: OpenStore): Promise<ObjectStore> {
  const adapter: Adapter | undefined = adapters[open.bucket.store];
  if (adapter !== undefined) return adapter(open);
  const why = `this version has no adapter for ${open.bucket.store}`;
  throw new SkyError("objects/refused", { object: bucketText(open.bucket), why });
}

type Adapter = (open: OpenStore) => Promise<ObjectStore>;

const openS3: Adapter = async (open) => (await import("./store-s3.ts")).openS3Store(open);

const adapters: Partial<Record<StoreKind, Adapter>> = {
  s3: openS3,
  r2: openS3,
  cos: openS3,
  gs: async (open) => (await import("./store-gcs.ts")).openGcsStore(open),
  azure: async (open) => (await import("./store-azblob.ts")).openAzureStore(open),
};
