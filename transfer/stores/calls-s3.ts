// Calls to S3: the client that they share, and what a failure of one becomes.
//
// What must hold: a call that was given up ends with what its signal says; every other failure is a
// SkyError that names the bucket or the object, by the table in `s3-errors.ts`. The bucket's region
// is found out once, by the first call.

import type { S3Client } from "@aws-sdk/client-s3";
import { type Code, SkyError } from "../../model/errors.ts";
import { createClient, findRegion, placeOf } from "./client-s3.ts";
import type { OpenStore } from "./object-store.ts";
import { bucketText } from "./paths.ts";
import { type S3Failure, s3Error } from "./s3-errors.ts";
import { isMd5 } from "./s3-text.ts";

export interface S3Call<T> {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly run: (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>;
}

interface Sender {
  readonly client: S3Client;
  readonly region: string;
}

/** How an answer says that its object is encrypted. */
export interface S3Encryption {
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

export class S3Calls {
  /** The bucket answered once. */
  seen = false;
  readonly #open: OpenStore;
  #sender: Promise<Sender> | undefined;

  constructor(open: OpenStore) {
    this.#open = open;
  }

  async send<T>({ key, signal, run }: S3Call<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      const { client } = await this.#ready(signal);
      const answer = await run(client, { abortSignal: signal });
      this.seen = true;
      return answer;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof SkyError) throw error;
      throw this.error(failureOf(error), key);
    }
  }

  /** Likewise; nothing where there is none of that name. */
  async sendOrMiss<T>(call: S3Call<T>): Promise<T | undefined> {
    try {
      return await this.send(call);
    } catch (error) {
      const code: Code | undefined = error instanceof SkyError ? error.code : undefined;
      const isBucket = call.key === "" && code === "objects/no-bucket";
      if (isBucket || code === "objects/no-object") return undefined;
      throw error;
    }
  }

  async region(signal: AbortSignal): Promise<string> {
    return (await this.#ready(signal)).region;
  }

  /** Whether an ETag is the MD5 of the bytes. */
  provesBy(tag: string, encryption: S3Encryption): boolean {
    return isMd5(tag) && this.hasPlainTags(encryption);
  }

  /**
   * Whether ETags are of what we sent. With a key of somebody's they are not; of a store of which
   * we cannot see that (COS with Key Protect), we do not believe it.
   */
  hasPlainTags({ ServerSideEncryption: kind, SSECustomerAlgorithm }: S3Encryption): boolean {
    const { store, endpoint } = this.#open.bucket;
    if (store === "cos" || SSECustomerAlgorithm !== undefined) return false;
    return kind === undefined || (kind === "AES256" && store === "s3" && endpoint === undefined);
  }

  error(failure: S3Failure, key: string): SkyError {
    const { credentials } = this.#open;
    const { accessKeyId = "", secretAccessKey = "", sessionToken = "" } = credentials;
    return s3Error(failure, {
      ...{ bucket: bucketText(this.#open.bucket), object: this.name(key) },
      secrets: [accessKeyId, secretAccessKey, sessionToken],
    });
  }

  wrong(
    code: "objects/changed" | "objects/damaged" | "objects/failed" | "objects/refused",
    key: string,
    why: string,
  ): SkyError {
    return new SkyError(code, { object: this.name(key), why });
  }

  noBucket(): SkyError {
    return new SkyError("objects/no-bucket", { bucket: bucketText(this.#open.bucket) });
  }

  name(key: string): string {
    const bucket = bucketText(this.#open.bucket);
    return key === "" ? bucket : `${bucket}/${key}`;
  }

  async close(): Promise<void> {
    try {
      (await this.#sender)?.client.destroy();
    } catch {
      // There never was a client.
    }
  }

  #ready(signal: AbortSignal): Promise<Sender> {
    this.#sender ??= this.#make(signal).catch((error: unknown) => {
      this.#sender = undefined;
      throw error;
    });
    return this.#sender;
  }

  async #make(signal: AbortSignal): Promise<Sender> {
    const region = await findRegion(this.#open, signal);
    return { region, client: await createClient(this.#open, placeOf(this.#open.bucket, region)) };
  }
}

function failureOf(error: unknown): S3Failure {
  if (!(error instanceof Error)) return { code: "Error", message: String(error) };
  const { code, $metadata } = error as Error & {
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const isOurs = typeof code === "string" && error.name !== "TimeoutError";
  return {
    code: isOurs ? code : error.name,
    message: error.message,
    ...(status === undefined ? {} : { status }),
  };
}
