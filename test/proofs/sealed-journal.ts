// What of an object is safe at the sink, and under which names it came.
//
// A source offers sealed chunks by the digests of what is sealed; the file of the object knows what
// was inside. The journal of a transfer knows places: each chunk has two, one for what it is and
// one for what it came as, which are recorded together. An offer is recognized if its name is
// there; whether the chunk is, the file says.

import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import type { ChunkJournal } from "../../transfer/chunks/journal.ts";
import { openChunkJournal } from "../../transfer/chunks/journal-os.ts";
import type { PlacedChunk, PlaceJournal } from "../../transfer/chunks/object-place.ts";

const plainObject = 0;
const sealedObject = 1;

export class SealedJournal {
  #journal: ChunkJournal | undefined;
  /** To be recorded with the place of that index. */
  readonly #coming = new Map<number, ChunkRef>();

  /** The index of the chunk that is inside of a sealed one, if it was recorded. */
  indexOf(sealed: Digest): number | undefined {
    const found = this.#journal?.find(sealed);
    return found?.place.object === sealedObject ? found.place.index : undefined;
  }

  coming(index: number, sealed: ChunkRef): void {
    this.#coming.set(index, sealed);
  }

  async open(path: string, transfer: string): Promise<PlaceJournal> {
    const journal = await openChunkJournal({ path, transfer });
    this.#journal = journal;
    return {
      places: [...journal.entries()]
        .filter(({ place }) => place.object === plainObject)
        .map(({ place, offset, ref }) => ({ index: place.index, offset, ref })),
      record: (places) => journal.record(places.flatMap((place) => this.#entriesOf(place))),
      close: () => journal.close(),
    };
  }

  #entriesOf({ index, offset, ref }: PlacedChunk) {
    const sealed = this.#coming.get(index);
    if (sealed === undefined) throw new Error(`chunk ${index} came from nowhere`);
    const at = (object: number) => ({ object, index });
    return [
      { place: at(sealedObject), ref: sealed, offset, state: "safe" as const },
      { place: at(plainObject), ref, offset, state: "safe" as const },
    ];
  }
}
