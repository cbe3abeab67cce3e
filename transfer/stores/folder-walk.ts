// Walks the folders of a tree, several at a time, page by page.
//
// What must always hold: each folder is read once; no more folders are begun than whoever listens
// takes pages of; whoever stops listening ends what is under way.

export interface FolderPage<T> {
  readonly items: readonly T[];
  /** Those below that are to be read, too. */
  readonly folders: readonly string[];
}

export type FolderReading<T> = AsyncGenerator<FolderPage<T>, void, void>;

interface Step<T> {
  readonly reading: FolderReading<T>;
  readonly page: FolderPage<T> | undefined;
}

export async function* walkFolders<T>(
  first: string,
  read: (folder: string) => FolderReading<T>,
  parallel: number,
): AsyncGenerator<readonly T[], void, void> {
  const waiting = [first];
  const steps = new Map<FolderReading<T>, Promise<Step<T>>>();
  const go = (reading: FolderReading<T>): void => {
    const step = reading.next().then(({ done, value }) => {
      return { reading, page: done === true || value === undefined ? undefined : value };
    });
    steps.set(reading, step);
  };
  const begin = (): void => {
    while (steps.size < parallel) {
      // The newest first: what waits stays little in a deep tree.
      const folder = waiting.pop();
      if (folder === undefined) return;
      go(read(folder));
    }
  };
  try {
    for (;;) {
      begin();
      if (steps.size === 0) return;
      const { reading, page } = await Promise.race(steps.values());
      steps.delete(reading);
      if (page === undefined) continue;
      waiting.push(...page.folders);
      if (page.items.length > 0) yield page.items;
      go(reading);
    }
  } finally {
    await Promise.allSettled(steps.values());
    for (const reading of steps.keys()) await reading.return();
  }
}
