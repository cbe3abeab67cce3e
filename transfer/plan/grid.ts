// Grids: how fast one gateway sends to another, as measured here or as a user's file says.
//
// A grid's file is CSV with a header. Its columns are found by name: `src_region`, `dst_region` and
// `throughput_bits_per_s` (bit/s) or `gbps` (1e9 bit/s); `src_tier` and `dst_tier` where a link was
// measured over two kinds of network. Others are passed over. A link that is there twice counts
// with its mean: both were measured.

import { SkyError } from "../../model/errors.ts";
import type { ProfiledLink } from "../../model/transfer.ts";
import type { Grid } from "../../model/transfer-plan.ts";

export const noGrid: Grid = { gbps: () => undefined };

/** What `sky profile` measured; of a link that was measured twice, the later. */
export function gridOfLinks(links: readonly ProfiledLink[]): Grid {
  const latest = new Map<string, ProfiledLink>();
  for (const link of links) {
    const known = latest.get(keyOf(link.from, link.to));
    const isNewer = known === undefined || known.measuredAt <= link.measuredAt;
    if (isNewer) latest.set(keyOf(link.from, link.to), link);
  }
  return { gbps: (from, to) => latest.get(keyOf(from, to))?.gbps };
}

/** What the first does not know, the next may. */
export function gridOver(...grids: readonly Grid[]): Grid {
  return {
    gbps: (from, to) => {
      for (const grid of grids) {
        const known = grid.gbps(from, to);
        if (known !== undefined) return known;
      }
      return undefined;
    },
  };
}

/** A grid that knows regions, for sites that lie in them; and sites by their own name. */
export function gridByRegion(grid: Grid, regionOf: (site: string) => string | undefined): Grid {
  return {
    gbps: (from, to) =>
      grid.gbps(from, to) ?? grid.gbps(regionOf(from) ?? from, regionOf(to) ?? to),
  };
}

export interface GridFile extends Grid {
  /** Each once, in the file's order. */
  readonly names: readonly string[];
}

export interface GridOptions {
  /** Which rows count where the file tells tiers apart. */
  readonly tier?: "PREMIUM" | "STANDARD";
  /** For errors. */
  readonly field?: string;
}

/** @throws SkyError `request/invalid` with line and column of the first mistake. */
export function parseGrid(text: string, options: GridOptions = {}): GridFile {
  const { tier = "PREMIUM", field = "profile" } = options;
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const header = columnsOf({ cells: cellsOf(lines[0] ?? ""), field });
  const sums = new Map<string, { total: number; count: number }>();
  const names = new Set<string>();
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line.trim() === "") continue;
    const row = rowOf({ cells: cellsOf(line), header, line: index + 1, field });
    for (const name of [row.from, row.to]) names.add(name);
    if ([row.fromTier, row.toTier].some((given) => given !== undefined && given !== tier)) continue;
    const key = keyOf(row.from, row.to);
    const { total, count } = sums.get(key) ?? { total: 0, count: 0 };
    sums.set(key, { total: total + row.gbps, count: count + 1 });
  }
  return {
    names: [...names],
    gbps: (from, to) => {
      const found = sums.get(keyOf(from, to));
      return found === undefined ? undefined : found.total / found.count;
    },
  };
}

interface Cell {
  readonly text: string;
  /** From 1, as editors count. */
  readonly column: number;
}

interface Columns {
  readonly from: number;
  readonly to: number;
  readonly rate: number;
  /** What one of the rate's column is, in Gbit/s. */
  readonly unit: number;
  readonly fromTier: number;
  readonly toTier: number;
  readonly count: number;
}

function columnsOf({ cells, field }: { cells: readonly Cell[]; field: string }): Columns {
  const at = (name: string) => cells.findIndex(({ text }) => text.toLowerCase() === name);
  const bits = at("throughput_bits_per_s");
  const rate = bits >= 0 ? bits : at("gbps");
  const missing = [
    ...["src_region", "dst_region"].filter((name) => at(name) < 0),
    ...(rate < 0 ? ["throughput_bits_per_s (or gbps)"] : []),
  ];
  if (missing.length > 0) {
    throw invalid({ field, line: 1, column: 1, why: `no column ${missing.join(", ")}` });
  }
  return {
    from: at("src_region"),
    to: at("dst_region"),
    rate,
    unit: bits >= 0 ? 1e-9 : 1,
    fromTier: at("src_tier"),
    toTier: at("dst_tier"),
    count: cells.length,
  };
}

interface RowText {
  readonly cells: readonly Cell[];
  readonly header: Columns;
  readonly line: number;
  readonly field: string;
}

function rowOf({ cells, header, line, field }: RowText) {
  const end = cells.at(-1)?.column ?? 1;
  if (cells.length !== header.count) {
    const why = `${cells.length} cells, the header has ${header.count}`;
    throw invalid({ field, line, column: end, why });
  }
  const cell = (index: number): Cell => cells[index] ?? { text: "", column: end };
  const name = (index: number): string => {
    const { text, column } = cell(index);
    if (text === "") throw invalid({ field, line, column, why: "no region" });
    return text;
  };
  const { text, column } = cell(header.rate);
  const rate = text === "" ? Number.NaN : Number(text);
  if (!(Number.isFinite(rate) && rate >= 0)) {
    throw invalid({ field, line, column, why: `"${text}" is no rate` });
  }
  const tier = (index: number) => (index < 0 ? undefined : cell(index).text.toUpperCase());
  return {
    from: name(header.from),
    to: name(header.to),
    gbps: rate * header.unit,
    fromTier: tier(header.fromTier),
    toTier: tier(header.toTier),
  };
}

/** Cells may be quoted; a quote within is doubled. */
function cellsOf(line: string): readonly Cell[] {
  const form = /\s*"((?:[^"]|"")*)"\s*(?=,|$)|[^,]*/y;
  const cells: Cell[] = [];
  for (let at = 0; at <= line.length; at = form.lastIndex + 1) {
    form.lastIndex = at;
    const [plain = "", quoted] = form.exec(line) ?? [];
    const text = quoted?.replaceAll('""', '"') ?? plain;
    cells.push({ text: text.trim(), column: at + 1 });
  }
  return cells;
}

interface Mistake {
  readonly field: string;
  readonly line: number;
  readonly column: number;
  readonly why: string;
}

function invalid({ field, line, column, why }: Mistake): SkyError {
  return new SkyError("request/invalid", { field, why: `line ${line}, column ${column}: ${why}` });
}

/** No name of a region or a site has a line break in it. */
function keyOf(from: string, to: string): string {
  return `${from}\n${to}`;
}
