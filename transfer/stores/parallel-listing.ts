// Listing the objects of a store that gives them in pages, several prefixes at a time.
//
// A store gives a thousand names an answer, in order, one answer after the other. So a listing that
// has more is split at the folders below its prefix, each of which is listed by itself; where a
// page shows that folders hold little, it goes on in order instead, which takes fewer requests.
//
// What must hold: each object comes once, also from a store that takes no notice of `after`; at
// most `parallel` requests are under way, and no more pages are kept than that; the first failure
// ends it.

export interface ListedName {
  readonly key: string;
}

export interface PageRequest {
  readonly prefix: string;
  /** Names below the next `/` are given as prefixes. */
  readonly folders: boolean;
  /** Only what comes after this name, in the order of UTF-8. */
  readonly after?: string;
  readonly token?: string;
}

export interface Page<T extends ListedName> {
  readonly objects: readonly T[];
  readonly folders: readonly string[];
  /** Of the next page; absent on the last. */
  readonly token?: string;
}

export interface PagedStore<T extends ListedName> {
  page(request: PageRequest, signal: AbortSignal): Promise<Page<T>>;
  /** Requests at a time. */
  readonly parallel: number;
}

/** A split pays where a page of a thousand shows no more folders than this. */
const foldersOfPageMax = 100;

interface Work {
  readonly prefix: string;
  readonly after?: string;
  readonly token?: string;
  /** It was looked for folders, and has too many names of its own. */
  readonly flat?: boolean;
}

export async function* listInParallel<T extends ListedName>(
  store: PagedStore<T>,
  prefix: string,
  signal: AbortSignal,
): AsyncIterable<readonly T[]> {
  const ended = new AbortController();
  const listing = new Listing(store, AbortSignal.any([signal, ended.signal]));
  listing.add([{ prefix }]);
  try {
    for (;;) {
      const objects = await listing.next();
      if (objects === undefined) return;
      if (objects.length > 0) yield objects;
    }
  } finally {
    ended.abort();
    await listing.settled();
  }
}

class Listing<T extends ListedName> {
  readonly #store: PagedStore<T>;
  readonly #signal: AbortSignal;
  readonly #waiting: Work[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #pages: (readonly T[])[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(store: PagedStore<T>, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  add(work: readonly Work[]): void {
    this.#waiting.push(...work);
  }

  /** The next page, or nothing when all were given. */
  async next(): Promise<readonly T[] | undefined> {
    for (;;) {
      this.#start();
      const page = this.#pages.shift();
      if (page !== undefined) return page;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#running.size === 0) return undefined;
      await Promise.race(this.#running);
    }
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #start(): void {
    const room = () => this.#running.size + this.#pages.length < this.#store.parallel;
    while (this.#failure === undefined && room()) {
      // The newest first: what waits stays little in a deep tree.
      const work = this.#waiting.pop();
      if (work === undefined) return;
      const run = this.#one(work)
        .catch((error: unknown) => {
          this.#failure ??= { error };
        })
        .finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  async #one(work: Work): Promise<void> {
    const page = await this.#store.page({ ...work, folders: false }, this.#signal);
    const { objects, last } = after(page.objects, work.after);
    this.#pages.push(objects);
    if (page.token === undefined) return;
    const goOn: Work = { ...work, token: page.token };
    const folders = foldersIn(objects, work.prefix);
    const pays = folders > 0 && folders <= foldersOfPageMax && work.flat !== true;
    if (last !== undefined && pays) await this.#split(goOn, last);
    else this.add([goOn]);
  }

  /** Folders that have something after `last` are listed by themselves. */
  async #split(work: Work, last: string): Promise<void> {
    const level = await this.#store.page(
      { prefix: work.prefix, folders: true, after: last },
      this.#signal,
    );
    const folders = level.folders.filter(
      (folder) => last.startsWith(folder) || isAfter(folder, last),
    );
    if (level.token !== undefined || folders.length === 0) {
      this.add([{ ...work, flat: true }]);
      return;
    }
    this.#pages.push(after(level.objects, last).objects);
    const split = folders.map((prefix) =>
      last.startsWith(prefix) ? { prefix, after: last } : { prefix },
    );
    this.add(split.toReversed());
  }
}

function after<T extends ListedName>(
  objects: readonly T[],
  name: string | undefined,
): { readonly objects: readonly T[]; readonly last: string | undefined } {
  const left = name === undefined ? objects : objects.filter(({ key }) => isAfter(key, name));
  return { objects: left, last: left.at(-1)?.key };
}

/** In the order of UTF-8, which is not that of strings here. */
function isAfter(name: string, other: string): boolean {
  return Buffer.compare(Buffer.from(name), Buffer.from(other)) > 0;
}

function foldersIn(objects: readonly ListedName[], prefix: string): number {
  const seen = new Set<string>();
  for (const { key } of objects) {
    const slash = key.indexOf("/", prefix.length);
    if (slash >= 0) seen.add(key.slice(0, slash + 1));
  }
  return seen.size;
}
