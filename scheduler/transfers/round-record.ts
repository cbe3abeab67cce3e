// What gateways of a round say of objects, and how it gets on record.
//
// A copy is done when it stands under its final name and is proven: by the digest that its reader
// found, by its size, or not at all, as the order says. Changes gather for a moment and are written
// together; each copy is settled once.

import { SkyError } from "../../model/errors.ts";
import type { Verification } from "../../model/transfer.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Digest } from "../../transfer/chunks/chunk.ts";
import type { WordedError, WrittenObject } from "../../transfer/gateway/orders.ts";
import type { CopyChange, CopySettled, Ledger, LedgerObject } from "../../transfer/job/ledger.ts";
import { Outstanding } from "./outstanding.ts";

export type Settled = CopySettled & { readonly digest?: Digest };

export interface RecordOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly verify: Verification;
  readonly onSettled: (settled: readonly Settled[]) => void;
  /** The ledger cannot be written. */
  readonly onBroken: (error: unknown) => void;
}

/** How long changes gather, and how many, before they are on record. */
const gatherMs = 50;
const gatherMax = 1_024;
/** Nothing will get better by trying another object. */
const endsAll: readonly string[] = ["objects/no-bucket", "disk/full"];
/** Objects that a destination may deny before it has taken any. */
const deniedMax = 4;

export class RoundRecord {
  readonly #options: RecordOptions;
  readonly #outstanding = new Outstanding();
  readonly #deniedAt = new Map<number, number>();
  readonly #digests = new Map<string, Digest>();
  #changes: CopyChange[] = [];
  #stopGathering: (() => void) | undefined;
  hasMoved = false;
  lastWhy = "";

  constructor(options: RecordOptions) {
    this.#options = options;
  }

  told(object: LedgerObject): void {
    this.#outstanding.add(object);
  }

  left(object: number): readonly number[] {
    return this.#outstanding.left(object);
  }

  failed(object: number, destination: number | undefined, error: WordedError): void {
    const left = this.#outstanding.left(object);
    for (const one of destination === undefined ? left : [destination]) {
      this.#fail(object, one, error);
    }
  }

  /** All that was told and is not settled there. */
  failAt(destination: number, error: WordedError): void {
    for (const object of this.#outstanding.at(destination)) this.#fail(object, destination, error);
  }

  /** Whether no other object will fare better there. */
  isHopeless(destination: number | undefined, { code }: WordedError): boolean {
    if (endsAll.includes(code)) return true;
    if (code !== "objects/denied") return false;
    const at = destination ?? -1;
    const count = (this.#deniedAt.get(at) ?? 0) + 1;
    this.#deniedAt.set(at, count);
    const { done, destinations } = this.#options.ledger.counts();
    const arrived = destination === undefined ? done : (destinations[destination]?.done ?? 0);
    return count >= deniedMax && arrived === 0;
  }

  read(object: number, digest: Digest): void {
    for (const written of this.#outstanding.read(object, digest)) this.#prove(written, digest);
  }

  wrote(written: WrittenObject): void {
    const { object, destination } = written;
    const known = this.#outstanding.objectOf(object, destination);
    // Told twice, or by a gateway that was never told of it.
    if (known === undefined) return;
    const { verify } = this.#options;
    const digest = this.#outstanding.digestOf(object);
    if (verify !== "none" && written.bytes !== known.bytes) {
      const why = `${written.bytes} bytes arrived of ${known.bytes}`;
      this.#fail(object, destination, damaged(known, why));
    } else if (verify !== "digest" && verify !== "read") this.#done(written);
    else if (digest === undefined) this.#outstanding.wrote(written);
    else this.#prove(written, digest);
  }

  #prove(written: WrittenObject, digest: Digest): void {
    const { object, destination } = written;
    const known = this.#outstanding.objectOf(object, destination);
    if (known === undefined) return;
    const why = `its digest was ${digest} where it was read, and ${written.digest} where it went`;
    if (written.digest === digest) this.#done(written);
    else this.#fail(object, destination, damaged(known, why));
  }

  #done({ object, destination, digest }: WrittenObject): void {
    this.hasMoved = true;
    this.#digests.set(`${object}/${destination}`, digest);
    this.#outstanding.settle(object, destination);
    this.#change({ kind: "done", object, destination });
  }

  #fail(object: number, destination: number, { code, text, retry }: WordedError): void {
    if (this.#outstanding.objectOf(object, destination) === undefined) return;
    this.#outstanding.settle(object, destination);
    this.lastWhy = text;
    this.#change({ kind: "failed", object, destination, code, why: text, retry });
  }

  #change(change: CopyChange): void {
    this.#changes.push(change);
    if (this.#changes.length >= gatherMax) this.write();
    else this.#stopGathering ??= this.#options.clock.after(gatherMs, () => this.write());
  }

  write(): void {
    this.#stopGathering?.();
    this.#stopGathering = undefined;
    const changes = this.#changes.splice(0);
    if (changes.length === 0) return;
    try {
      const settled = this.#options.ledger.record(changes);
      this.#options.onSettled(settled.map((one) => this.#withDigest(one)));
    } catch (error) {
      this.#options.onBroken(error);
    }
  }

  #withDigest(settled: CopySettled): Settled {
    const key = `${settled.object}/${settled.destination}`;
    const digest = this.#digests.get(key);
    this.#digests.delete(key);
    return digest === undefined || settled.outcome !== "done" ? settled : { ...settled, digest };
  }
}

function damaged({ source }: LedgerObject, why: string): WordedError {
  const error = new SkyError("objects/damaged", { object: source, why });
  return { code: error.code, text: error.message, retry: true };
}
