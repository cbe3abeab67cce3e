// The stores of one transfer, as the head itself uses them: to list, to look, to clear up.
//
// Credentials are found once for each bucket, on this machine, with what the caller passed laid
// over the head's own environment. They stay in memory, and go to gateways with the order to begin.

import type { Bucket } from "../../model/transfer-path.ts";
import type {
  ObjectStore,
  OpenStore,
  StoreCredentials,
} from "../../transfer/stores/object-store.ts";

export interface StoresPort {
  /** What is served where, and how to prove who we are to it. */
  resolve(
    bucket: Bucket,
    environment: Readonly<Record<string, string | undefined>>,
  ): Promise<{ readonly bucket: Bucket; readonly credentials: StoreCredentials }>;
  open(open: OpenStore): Promise<ObjectStore>;
}

export interface StoresOptions {
  readonly port: StoresPort;
  readonly buckets: readonly Bucket[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly requesterPays: boolean;
  readonly connections?: number;
}

export class Stores {
  readonly #options: StoresOptions;
  readonly #resolved = new Map<number, Promise<OpenStore>>();
  readonly #opened = new Map<number, Promise<ObjectStore>>();

  constructor(options: StoresOptions) {
    this.#options = options;
  }

  /** What a gateway needs to open it. Secret. */
  orderOf(store: number): Promise<OpenStore> {
    return remembered(this.#resolved, store, async () => {
      const { port, environment, requesterPays, connections, buckets } = this.#options;
      const bucket = buckets[store];
      if (bucket === undefined) throw new RangeError(`there is no store ${store}`);
      const resolved = await port.resolve(bucket, environment);
      return { ...resolved, requesterPays, ...(connections === undefined ? {} : { connections }) };
    });
  }

  get(store: number): Promise<ObjectStore> {
    return remembered(this.#opened, store, async () =>
      this.#options.port.open(await this.orderOf(store)),
    );
  }

  /** All of them, by number. */
  all(): Promise<readonly ObjectStore[]> {
    return Promise.all(this.#options.buckets.map((_, store) => this.get(store)));
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    this.#opened.clear();
    await Promise.all(
      opened.flatMap((one) => (one.status === "fulfilled" ? one.value.close() : [])),
    );
  }
}

/** One that failed is tried again by the next who asks. */
function remembered<T>(
  known: Map<number, Promise<T>>,
  store: number,
  make: () => Promise<T>,
): Promise<T> {
  const found = known.get(store);
  if (found !== undefined) return found;
  const made = make();
  known.set(store, made);
  made.catch(() => known.delete(store));
  return made;
}
