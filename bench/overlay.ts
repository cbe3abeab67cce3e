// What a relay gains where the direct link is the slow one: three hosts, each its own network
// namespace with its own sshd; 100 Mbit/s between two of them, 500 Mbit/s by way of the third.
//
// `sky profile` measures the links, then the same bytes go once as `sky cp` plans by itself and
// once with `--solver direct`. Rates are of the source's interfaces, from a tenth to nine tenths
// of the bytes: what the wire showed, without the start and the proof at the end; the whole
// command is beside them.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { checkout } from "./home.ts";
import type { Report, Row } from "./report.ts";

const gainBudget = 4.5;

export async function overlayReport(): Promise<Report> {
  const title = "a relay of 500 Mbit/s beside a direct link of 100";
  const said = execFileSync(process.execPath, [join(checkout, "test/e2e/overlay-run.ts")], {
    encoding: "utf8",
    env: { ...process.env, SKY_TEST_PROGRAMS: "dist" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const found = JSON.parse(said.trim().split("\n").at(-1) ?? "{}") as Found;
  if ("missing" in found) return { title, rows: [], notes: [found.missing] };
  const { relayed, direct, bytes } = found;
  const row = (what: string, moved: Moved): Row => ({ what, values: columns(moved, bytes) });
  const gain = relayed.megabits / direct.megabits;
  const budget = { text: `≥ ${gainBudget} × direct`, kept: gain >= gainBudget };
  return {
    title,
    rows: [
      row("direct", direct),
      { ...row("as planned by itself", relayed), budget },
      { what: "gain on the wire", values: { wire: `${gain.toFixed(2)} ×` } },
    ],
    notes: [`${bytes / 1_048_576} MiB that do not compress, sealed and proven`],
  };
}

type Found =
  | { readonly missing: string }
  | { readonly bytes: number; readonly relayed: Moved; readonly direct: Moved };

interface Moved {
  readonly alongCable: number;
  readonly overBridge: number;
  readonly megabits: number;
  readonly seconds: number;
}

function columns(moved: Moved, bytes: number): Record<string, string> {
  const share = (part: number): string => `${((100 * part) / bytes).toFixed(0)} %`;
  return {
    wire: `${moved.megabits.toFixed(0)} Mbit/s`,
    command: `${moved.seconds.toFixed(1)} s`,
    "along the direct link": share(moved.alongCable),
    "by way of the relay": share(moved.overBridge),
  };
}
