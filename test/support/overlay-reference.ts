// The best overlay plan of a small network by trying everything: a second way to the answers of
// `transfer/plan/overlay.ts`, which shares nothing with it.
//
// Its variables are amounts on whole paths, not on edges; connections are rows of their own. An
// optimum of a linear program lies in a corner, where as many rows hold with equality as there are
// variables: every choice of rows is solved and looked at, for every choice of gateways.

export interface SmallNetwork {
  /** The first is the source, the second the destination. */
  readonly sites: readonly SmallSite[];
  /** By `from to` (indices); what is absent cannot be used. */
  readonly gbps: ReadonlyMap<string, number>;
  readonly perGb: ReadonlyMap<string, number>;
}

export interface SmallSite {
  readonly gatewaysMax: number;
  readonly gatewayPrice: number;
  readonly egress: number;
  readonly ingress: number;
}

interface Row {
  readonly factors: readonly number[];
  /** The sum is at most that. */
  readonly right: number;
}

/** USD for each second at that rate times 8, as `Σ price · Gbit/s`; `undefined` = impossible. */
export function cheapestByTrying(network: SmallNetwork, rate: number): number | undefined {
  let best: number | undefined;
  for (const counts of everyCount(network.sites)) {
    const paths = pathsIn(network, counts);
    const exactly: Row = { factors: paths.map(() => 1), right: rate };
    const atLeast: Row = { factors: paths.map(() => -1), right: -rate };
    const rows = [exactly, atLeast, ...limits(network, paths, counts)];
    const found = bestCorner(
      rows,
      paths.map((path) => -priceOf(network, path)),
    );
    if (found === undefined) continue;
    const cost = -found + gatewayCost(network, counts);
    best = best === undefined ? cost : Math.min(best, cost);
  }
  return best;
}

/** Gbit/s; `ceiling` in USD a GB of egress and gateways. */
export function fastestByTrying(network: SmallNetwork, ceiling?: number): number {
  let best = 0;
  const most = network.sites.map(({ gatewaysMax }) => gatewaysMax);
  // Where nothing costs too much, more gateways are never slower.
  for (const counts of ceiling === undefined ? [most] : everyCount(network.sites)) {
    const paths = pathsIn(network, counts);
    const rows = [...limits(network, paths, counts)];
    if (ceiling !== undefined) {
      const factors = paths.map((path) => priceOf(network, path) - ceiling);
      rows.push({ factors, right: -gatewayCost(network, counts) });
    }
    const found = bestCorner(
      rows,
      paths.map(() => 1),
    );
    best = Math.max(best, found ?? 0);
  }
  return best;
}

function gatewayCost({ sites }: SmallNetwork, counts: readonly number[]): number {
  const perHour = sites.reduce(
    (sum, { gatewayPrice }, i) => sum + gatewayPrice * (counts[i] ?? 0),
    0,
  );
  return (perHour / 3600) * 8;
}

/** Through sites with gateways only. */
function pathsIn(network: SmallNetwork, counts: readonly number[]): readonly (readonly number[])[] {
  const found: (readonly number[])[] = [];
  const walk = (path: readonly number[]): void => {
    const at = path.at(-1);
    if (at === 1) found.push(path);
    if (at === undefined || at === 1) return;
    for (let next = 1; next < network.sites.length; next += 1) {
      const isOpen = network.gbps.has(`${at} ${next}`) && (counts[next] ?? 0) > 0;
      if (isOpen && !path.includes(next)) walk([...path, next]);
    }
  };
  if ((counts[0] ?? 0) > 0) walk([0]);
  return found;
}

function hopsOf(path: readonly number[]): readonly (readonly [number, number])[] {
  return path.slice(1).map((to, i) => [path[i] ?? 0, to] as const);
}

function priceOf({ perGb }: SmallNetwork, path: readonly number[]): number {
  return hopsOf(path).reduce((sum, [from, to]) => sum + (perGb.get(`${from} ${to}`) ?? 0), 0);
}

function limits(
  { sites, gbps }: SmallNetwork,
  paths: readonly (readonly number[])[],
  counts: readonly number[],
): readonly Row[] {
  return sites.flatMap(({ egress, ingress }, site) => {
    const count = counts[site] ?? 0;
    const over = (weight: (from: number, to: number) => number): readonly number[] =>
      paths.map((path) => hopsOf(path).reduce((sum, [f, t]) => sum + weight(f, t), 0));
    const connections = (from: number, to: number) => 64 / (gbps.get(`${from} ${to}`) ?? 0);
    return [
      { factors: over((f) => (f === site ? 1 : 0)), right: egress * count },
      { factors: over((_, t) => (t === site ? 1 : 0)), right: ingress * count },
      { factors: over((f, t) => (f === site ? connections(f, t) : 0)), right: 64 * count },
      { factors: over((f, t) => (t === site ? connections(f, t) : 0)), right: 64 * count },
    ];
  });
}

function everyCount(sites: readonly SmallSite[]): readonly (readonly number[])[] {
  return sites.reduce<readonly (readonly number[])[]>(
    (all, { gatewaysMax }) =>
      all.flatMap((counts) => {
        return Array.from({ length: gatewaysMax + 1 }, (_, count) => [...counts, count]);
      }),
    [[]],
  );
}

/** The greatest `objective · x` with x ≥ 0 and all rows kept; `undefined` = there is no such x. */
function bestCorner(rows: readonly Row[], objective: readonly number[]): number | undefined {
  const size = objective.length;
  const signs = objective.map((_, i) => ({ factors: unit(size, i, -1), right: 0 }));
  const used = rows.filter(({ factors }) => factors.some((f) => f !== 0));
  if (rows.some(({ factors, right }) => factors.every((f) => f === 0) && right < -1e-9)) {
    return undefined;
  }
  const all = [...used, ...signs];
  let best: number | undefined;
  const choose = (start: number, chosen: readonly Row[]): void => {
    if (chosen.length === size) {
      const x = solved(chosen);
      if (x === undefined || !all.every((row) => dot(row.factors, x) <= row.right + 1e-7)) return;
      const value = dot(objective, x);
      best = best === undefined ? value : Math.max(best, value);
      return;
    }
    for (let next = start; next <= all.length - (size - chosen.length); next += 1) {
      const row = all[next];
      if (row !== undefined) choose(next + 1, [...chosen, row]);
    }
  };
  choose(0, []);
  return best;
}

function unit(size: number, index: number, value: number): readonly number[] {
  return Array.from({ length: size }, (_, i) => (i === index ? value : 0));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, factor, i) => sum + factor * (b[i] ?? 0), 0);
}

/** Gauss with pivots; `undefined` of rows that depend on each other. */
function solved(rows: readonly Row[]): readonly number[] | undefined {
  const size = rows.length;
  const table = rows.map(({ factors, right }) => [...factors, right]);
  const at = (row: number, column: number) => table[row]?.[column] ?? 0;
  for (let column = 0; column < size; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < size; row += 1) {
      if (Math.abs(at(row, column)) > Math.abs(at(pivot, column))) pivot = row;
    }
    if (Math.abs(at(pivot, column)) < 1e-9) return undefined;
    const [upper, lower] = [table[column] ?? [], table[pivot] ?? []];
    table[column] = lower;
    table[pivot] = upper;
    eliminate(table, column);
  }
  return table.map((row, i) => (row[size] ?? 0) / (row[i] ?? 1));
}

function eliminate(table: number[][], column: number): void {
  const pivot = table[column] ?? [];
  for (const [index, row] of table.entries()) {
    const factor = (row[column] ?? 0) / (pivot[column] ?? 1);
    if (index === column || factor === 0) continue;
    for (let at = column; at < row.length; at += 1)
      row[at] = (row[at] ?? 0) - factor * (pivot[at] ?? 0);
  }
}
