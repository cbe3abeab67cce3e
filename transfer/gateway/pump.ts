// Copies objects within one gateway: read, named, and put to every destination, with no wire.
//
// Each chunk is read once, whatever the number of destinations, and many are on their way at a
// time, within what admission allows. One destination that refuses an object takes nothing from the
// others; when all have, the rest of it is not read.
//
// What must always hold: an object has its final name only with the digest of what was read; what
// failed for good leaves nothing there, and what may be tried again keeps what it has.

import { isSkyError } from "../../model/errors.ts";
import { type ByteRange, type CutRule, cutBySize, isOneChunk } from "../chunks/cut.ts";
import { type EncodedManifest, ManifestBuilder } from "../chunks/manifest.ts";
import type { ObjectFile } from "../chunks/object-file-os.ts";
import type { PlacedChunk } from "../chunks/object-place.ts";
import type { ObjectTarget } from "../chunks/object-target.ts";
import type { SentObject } from "../chunks/send.ts";
import { Slots } from "../chunks/slots.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { AdmissionShare } from "./admission.ts";
import { type Destination, nothing, placesOf } from "./destination.ts";
import type { Meter } from "./meters.ts";
import type { GatewayObject } from "./orders.ts";
import type { Handle } from "./program.ts";
import type { Failure, Tally } from "./tally.ts";

export interface PumpOptions {
  readonly handle: Handle;
  readonly meter: Meter;
  readonly objects: AsyncIterable<GatewayObject>;
  readonly open: (object: GatewayObject, signal: AbortSignal) => Promise<SentObject>;
  readonly destinations: readonly Destination[];
  readonly tally: Tally;
  readonly work: ChunkWork;
  readonly admission: AdmissionShare;
  readonly cut: CutRule | undefined;
  /** Objects of several chunks that are copied at a time, others that are read, and all. */
  readonly largeMax: number;
  readonly readingMax: number;
  readonly sideBySideMax: number;
}

/** Chunks of one object that are on their way at a time, at most. */
const chunksMax = 8;
/** How often what a disk changed after it was written is written again. */
const mendsMax = 3;

/** Resolves when there are no more objects; what fails is told to the tally. */
export async function pumpObjects(options: PumpOptions, signal: AbortSignal): Promise<void> {
  const waiting = options.objects[Symbol.asyncIterator]();
  const large = new Slots(options.largeMax);
  const reading = new Slots(options.readingMax);
  const workers = Array.from({ length: options.sideBySideMax }, async () => {
    for (;;) {
      const next = await waiting.next();
      if (next.done === true) return;
      signal.throwIfAborted();
      const copy = new Copy(options, next.value, signal);
      const isSmall = isOneChunk(next.value.bytes, options.cut);
      await (isSmall ? copy.run(reading) : large.use(() => copy.run()));
    }
  });
  await Promise.all(workers);
}

/** One destination of the object. */
interface Way {
  readonly to: Destination;
  readonly file: ObjectFile;
  readonly attributes: Parameters<ObjectFile["finish"]>[1];
  /** It takes the bytes when it is finished. */
  readonly isWhole: boolean;
  failed: boolean;
}

class Copy {
  readonly #options: PumpOptions;
  readonly #object: GatewayObject;
  readonly #signal: AbortSignal;
  readonly #ways: Way[] = [];
  /** Of what is read and waits: room in memory. */
  readonly #held: (() => void)[] = [];

  constructor(options: PumpOptions, object: GatewayObject, signal: AbortSignal) {
    this.#options = options;
    this.#object = object;
    this.#signal = signal;
  }

  /** With slots for reading: what is read, waits with many others to be made safe. */
  async run(reading?: Slots): Promise<void> {
    const { tally, handle, meter, open } = this.#options;
    let source: SentObject | undefined;
    const read = async (): Promise<EncodedManifest | undefined> => {
      source = await open(this.#object, this.#signal);
      await this.#openWays();
      const manifest = await this.#move(source);
      const isOver = this.#ways.every(({ isWhole }) => isWhole);
      if (reading !== undefined && isOver) await source.close?.();
      return manifest;
    };
    try {
      const manifest = await (reading === undefined ? read() : reading.use(read));
      meter.objects += 1;
      // Nobody is left who wants it, and each of them has said why.
      if (manifest === undefined) return tally.drop([this.#object.object]);
      await Promise.all(this.#ways.map((way) => this.#finish(way, manifest, source)));
      tally.read(this.#object.object, manifest.digest);
    } catch (error) {
      this.#signal.throwIfAborted();
      meter.failures += 1;
      await Promise.all(this.#ways.map((way) => this.#leave(way, error)));
      tally.failed({ handle, object: this.#object.object, error });
    } finally {
      await source?.close?.();
      for (const giveBack of this.#held) giveBack();
      // Those that are finished or aborted are closed already.
      await Promise.all(this.#ways.map(({ file }) => file.close()));
    }
  }

  async #openWays(): Promise<void> {
    const { object } = this.#object;
    const { destinations, tally } = this.#options;
    const wanted = destinations.filter(({ destination }) => tally.isOpen(object, destination));
    await Promise.all(
      wanted.map(async (to) => {
        try {
          const target = await to.target(this.#object, this.#signal);
          const whole = wholeOf(target);
          const file = whole ?? (await target.open(placesOf(to.journal, object)));
          const { attributes } = target;
          this.#ways.push({ to, file, attributes, isWhole: whole !== undefined, failed: false });
        } catch (error) {
          this.#fail(to, error);
        }
      }),
    );
  }

  /** `undefined` if nobody is left who wants it. */
  async #move(source: SentObject): Promise<EncodedManifest | undefined> {
    const builder = new ManifestBuilder();
    const places = cutBySize(this.#object.bytes, source.cut).entries();
    const movers = Array.from({ length: chunksMax }, async () => {
      for (const [index, range] of places) {
        if (!this.#isWanted()) return;
        await this.#moveChunk(source, { index, range, builder });
      }
    });
    await settleAll(movers);
    return this.#isWanted() ? builder.finish() : undefined;
  }

  async #moveChunk(
    source: SentObject,
    chunk: { readonly index: number; readonly range: ByteRange; readonly builder: ManifestBuilder },
  ): Promise<void> {
    const { admission, work, meter } = this.#options;
    const { index, range, builder } = chunk;
    const giveBack = await admission.take(range.bytes, this.#signal);
    try {
      const read = await source.read(range, this.#signal);
      const { ref, bytes } = await work.name(read);
      meter.bytes += range.bytes;
      meter.chunks += 1;
      builder.add(index, ref);
      const place = { index, offset: range.at, ref };
      await Promise.all(this.#ways.map((way) => this.#put(way, place, bytes)));
    } finally {
      if (this.#ways.some(({ isWhole }) => isWhole)) this.#held.push(giveBack);
      else giveBack();
    }
  }

  async #put(way: Way, place: PlacedChunk, bytes: Uint8Array): Promise<void> {
    if (way.failed) return;
    try {
      await way.file.put(place, bytes);
    } catch (error) {
      if (way.failed) return;
      await this.#leave(way, error);
      this.#fail(way.to, error);
    }
  }

  async #finish(way: Way, encoded: EncodedManifest, source: SentObject | undefined): Promise<void> {
    if (way.failed) return;
    const { to } = way;
    const { object } = this.#object;
    try {
      await this.#name(way, encoded, source);
      to.meter.objects += 1;
      const { bytes } = encoded.manifest;
      const { destination, proof } = to;
      this.#options.tally.wrote({ object, destination, bytes, digest: encoded.digest, proof });
    } catch (error) {
      await this.#leave(way, error);
      this.#fail(to, error);
    }
  }

  async #name(way: Way, encoded: EncodedManifest, source: SentObject | undefined): Promise<void> {
    for (let mended = 0; ; mended += 1) {
      try {
        await way.file.finish(encoded.manifest, way.attributes);
        return;
      } catch (error) {
        if (!isSkyError(error, "chunk/damaged") || mended >= mendsMax) throw error;
        await this.#mend(way, encoded, source);
      }
    }
  }

  /** Reads once more what the disk has lost. */
  async #mend(
    { file }: Way,
    { manifest }: EncodedManifest,
    source: SentObject | undefined,
  ): Promise<void> {
    for (const place of file.missing(manifest)) {
      const range = { at: place.offset, bytes: place.ref.bytes };
      const bytes = await source?.read(range, this.#signal);
      if (bytes === undefined) return;
      const named = await this.#options.work.prove(place.ref, bytes);
      await file.put(place, named);
    }
  }

  #isWanted(): boolean {
    return this.#ways.some(({ failed }) => !failed);
  }

  /** What may be tried again keeps what is there. */
  async #leave(way: Way, error: unknown): Promise<void> {
    if (way.failed) return;
    way.failed = true;
    const mayPass = isSkyError(error) && error.remedy === "retry";
    if (!mayPass && !this.#signal.aborted) await way.file.abort();
  }

  #fail(to: Destination, error: unknown): void {
    if (this.#signal.aborted) return;
    to.meter.failures += 1;
    this.#options.tally.failed(failureOf(to, this.#object.object, error));
  }
}

/** Of an object of one chunk or none, where its target takes it at once: by `finish`. */
function wholeOf(target: ObjectTarget): ObjectFile | undefined {
  const { putWhole } = target;
  if (putWhole === undefined || !isOneChunk(target.bytes, target.cut)) return undefined;
  let content = new Uint8Array();
  return {
    ...nothing(),
    // The others have the same bytes.
    put: async (_, bytes) => {
      content = Uint8Array.from(bytes);
    },
    finish: () => putWhole.call(target, content),
  };
}

/** Of one object there, and perhaps of all that is left to it. */
export function failureOf(to: Destination, object: number, error: unknown): Failure {
  const { handle, destination } = to;
  const isOfAll = isSkyError(error, "disk/full") || isSkyError(error, "objects/no-bucket");
  return { handle, destination, error, object, isOfAll };
}

/** All of them end before the first failure is thrown. */
async function settleAll(tasks: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(tasks);
  for (const one of settled) if (one.status === "rejected") throw one.reason;
}
