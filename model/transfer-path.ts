// Where bytes of a transfer come from and go to: a file system's path, or a key of an object store.
//
//   ./data  /data  file:///data            this machine
//   demo:data  demo:~/data  demo:/data     a cluster's head node; demo/worker1:data another node;
//                                          demo/*:data all of its nodes (as a destination)
//   s3://bucket/key                        S3, or what --endpoint speaks
//   gs://bucket/key
//   azure://account/container/key          also https://ACCOUNT.blob.core.windows.net/…
//   r2://account/bucket/key                also https://ACCOUNT.r2.cloudflarestorage.com/…
//   cos://bucket/key                       IBM; cos://region/bucket/key is not a form of it
//   hdfs://host[:port]/path                over WebHDFS

export const storeKinds = ["s3", "gs", "azure", "r2", "cos", "hdfs"] as const;
export type StoreKind = (typeof storeKinds)[number];

/** A bucket, whatever its store calls it. */
export interface Bucket {
  readonly store: StoreKind;
  /** Of Azure (the storage account) and R2. */
  readonly account?: string;
  /** The bucket or container; of HDFS the name node, `host[:port]`. */
  readonly bucket: string;
  /** Where it is served, for what is not at its store's usual place: an http(s) URL. */
  readonly endpoint?: string;
  /** Of the bucket, where the user says it: `us-east-1`. */
  readonly region?: string;
}

export type TransferPath = LocalPath | NodePath | StorePath;

export interface LocalPath {
  readonly kind: "local";
  /** As the user wrote it; the client makes it absolute. A trailing `/` means something. */
  readonly path: string;
}

export interface NodePath {
  readonly kind: "node";
  readonly cluster: string;
  /** A node's id; `*` = all; absent = the head's node. */
  readonly node?: string;
  /** Relative to the node's HOME unless it begins with `/`; `~/` is taken away. */
  readonly path: string;
}

export interface StorePath {
  readonly kind: "store";
  readonly bucket: Bucket;
  /** A key, or the beginning of keys; empty = the whole bucket. Any Unicode. */
  readonly key: string;
}
