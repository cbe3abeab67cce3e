// The ends of a transfer that are at this gateway: what it reads, and the destinations that it
// writes, with the stores and journals that they need.
//
// What must always hold: when `close` resolves nothing of them is open; a destination is opened
// once, whatever stripes come to it and whoever brings its objects.

import { SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { TransferName } from "../chunks/chunk-form.ts";
import type { Receiver } from "../chunks/receive.ts";
import type { TransferSecret } from "../chunks/seal.ts";
import type { SentObject } from "../chunks/send.ts";
import type { SmallFiles } from "../chunks/small-files-os.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { ObjectStore, OpenStore, Upload } from "../stores/object-store.ts";
import type { Destination } from "./destination.ts";
import {
  type DestinationPorts,
  journalOf,
  openDiscard,
  openLocalDestination,
} from "./destinations-os.ts";
import type { Leftovers } from "./leftovers.ts";
import type { Meters } from "./meters.ts";
import type { Begin, GatewayObject, GatewayWord } from "./orders.ts";
import type { Writer } from "./outlets.ts";
import { type Pace, paced } from "./pace.ts";
import type { Handle, Root, WriteObjectStore } from "./program.ts";
import { fileSource, madeSource, nodePath } from "./sources-os.ts";
import { storeDestination, storeSource } from "./store-ends.ts";
import { type OperatorStore, Stores } from "./stores.ts";
import type { Tally } from "./tally.ts";
import { receiverFor, tellWhole } from "./writing.ts";

export interface EndsOptions {
  readonly begin: Begin;
  /** What reads, if anything does. */
  readonly source: Root | undefined;
  readonly writers: readonly Writer[];
  readonly home: string;
  readonly dir: string;
  readonly locks: string;
  /** Small files of the node are written and read together. */
  readonly smallFiles: SmallFiles | undefined;
  readonly openStore: (open: OpenStore) => Promise<ObjectStore>;
  readonly work: ChunkWork;
  readonly clock: Clock;
  readonly random: Random;
  readonly say: (word: GatewayWord) => void;
  readonly meters: Meters;
  readonly tally: Tally;
  readonly leftovers: Leftovers;
  readonly pace: Pace | undefined;
  readonly signal: AbortSignal;
}

export class Ends {
  readonly #options: EndsOptions;
  readonly #destinations = new Map<number, Destination>();
  readonly #receivers = new Map<number, Receiver>();
  readonly #stores: Stores;
  /** What is read from, if that is a store. */
  #sourceStore: OperatorStore | undefined;

  constructor(options: EndsOptions) {
    this.#options = options;
    this.#stores = new Stores(options.begin.stores, options.openStore);
  }

  get destinations(): readonly Destination[] {
    return [...this.#destinations.values()];
  }

  /** Operator by operator; `opening` hears which is next. */
  async open(opening: (handle: Handle) => void): Promise<void> {
    const { source, writers, meters } = this.#options;
    if (source?.op === "read_object_store") {
      opening(source.handle);
      const meter = meters.of(source.handle);
      this.#sourceStore = await this.#stores.of(source, meter, this.#options);
    }
    for (const writer of writers) {
      opening(writer.handle);
      this.#destinations.set(writer.destination, await this.#openDestination(writer));
    }
  }

  /** An object, to be read. @throws SkyError for an empty file that is not there. */
  async source(object: GatewayObject): Promise<SentObject> {
    const { source, begin, home, pace } = this.#options;
    const { cut } = begin;
    if (source?.op === "gen_data") {
      return paced(madeSource(object, source.compressible, cut), pace);
    }
    if (this.#sourceStore !== undefined) {
      return paced(storeSource(this.#sourceStore, object, begin), pace);
    }
    const file = fileSource(object, nodePath(home, object.source), cut);
    if (object.bytes === 0) await file.look();
    return paced(file, pace);
  }

  /** What takes a destination's objects from the wire. */
  receiverOf(destination: number): Receiver {
    const known = this.#receivers.get(destination);
    if (known !== undefined) return known;
    const to = this.#destinations.get(destination);
    if (to === undefined) throw new SkyError("core/broken-invariant", { what: "no destination" });
    const { work, tally } = this.#options;
    const receiver = receiverFor(to, { secret: this.secret, work, tally });
    this.#receivers.set(destination, receiver);
    return receiver;
  }

  get secret(): TransferSecret | TransferName {
    const { transfer, key } = this.#options.begin;
    const name = Buffer.from(transfer, "hex");
    return key === undefined
      ? { transfer: name }
      : { transfer: name, key: Buffer.from(key, "base64") };
  }

  /** Those that an earlier round has on record as whole. */
  tellWhole(objects: readonly GatewayObject[]): void {
    const numbers = objects.map(({ object }) => object);
    for (const destination of this.#receivers.keys()) {
      const to = this.#destinations.get(destination);
      if (to !== undefined) tellWhole(to, numbers, this.#options.tally);
    }
  }

  /** These will not come. */
  async discard(objects: readonly number[]): Promise<void> {
    for (const receiver of this.#receivers.values()) {
      for (const object of objects) await receiver.discard(object);
    }
  }

  /** Nothing of the upload is left. @throws SkyError what the store says. */
  async abort(destination: number, upload: Upload, signal: AbortSignal): Promise<void> {
    const writer = this.#options.writers.find((one) => one.destination === destination);
    if (writer?.op !== "write_object_store") return;
    const { store } = await this.#stores.of(
      writer,
      this.#options.meters.of(writer.handle),
      this.#options,
    );
    await store.abort(upload, signal);
  }

  /** Nothing uses them any more; stores may still abort uploads. */
  async close(): Promise<void> {
    for (const receiver of this.#receivers.values()) await receiver.close();
    for (const destination of this.#destinations.values()) await destination.close();
  }

  closeStores(): Promise<void> {
    return this.#stores.close();
  }

  async #openDestination(writer: Writer): Promise<Destination> {
    const { dir, locks, home, meters, leftovers, begin } = this.#options;
    const { transfer, verify, folders, cut } = begin;
    const meter = meters.of(writer.handle);
    const isProven = verify === "digest" || verify === "read";
    const isReadBack = verify === "read";
    const group = this.#options.smallFiles;
    const ports = { dir, locks, transfer, leftovers, meter, isProven, isReadBack, cut, group };
    if (writer.op === "discard") return await openDiscard(writer, ports);
    if (writer.op === "write_object_store") return await this.#openStoreEnd(writer, ports);
    const folder = folders[writer.destination];
    if (typeof folder === "string") {
      return await openLocalDestination(writer, nodePath(home, folder), ports);
    }
    const why = `${writer.handle}: it has no folder`;
    throw new SkyError("program/invalid", { gateway: begin.program.gateway, why });
  }

  async #openStoreEnd(writer: WriteObjectStore, ports: DestinationPorts): Promise<Destination> {
    const { say, signal } = this.#options;
    const { destination } = writer;
    const to = await this.#stores.of(writer, ports.meter, this.#options);
    return storeDestination(writer, {
      ...{ ...ports, to, signal, journal: await journalOf(destination, ports) },
      onUpload: (object, upload) => say({ kind: "upload", object, destination, upload }),
    });
  }
}
