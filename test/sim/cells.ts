// Counts how often each decision of a state machine is taken: its table, with every function
// wrapped in place.
//
// A table is read anew for each event (`runtime/machine.ts`), so what is wrapped here is what the
// production actors run. What must always hold: a wrapped cell decides as it did before.

type Decision = (state: never, event: never) => unknown;
type Rows = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The decisions of one machine and how often each was taken. */
export interface CellCounts {
  readonly machine: string;
  /** By phase, then event. Only cells that hold a function. */
  readonly hits: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** Begins to count. Once for each table and process. */
export function countCells(machine: string, table: object): CellCounts {
  const hits = new Map<string, Map<string, number>>();
  for (const [phase, row] of Object.entries(table as Rows)) {
    const counts = new Map<string, number>();
    hits.set(phase, counts);
    for (const [event, cell] of Object.entries(row)) {
      if (typeof cell !== "function") continue;
      counts.set(event, 0);
      const decide = cell as Decision;
      Reflect.set(row, event, (state: never, happened: never) => {
        counts.set(event, (counts.get(event) ?? 0) + 1);
        return decide(state, happened);
      });
    }
  }
  return { machine, hits };
}

/** `gang: draining × node-lost`, for each decision that was never taken. */
export function neverTaken({ machine, hits }: CellCounts): readonly string[] {
  return [...hits].flatMap(([phase, counts]) =>
    [...counts].flatMap(([event, count]) => (count > 0 ? [] : [`${machine}: ${phase} × ${event}`])),
  );
}
