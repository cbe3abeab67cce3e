// Folder trees for tests: made from a description, and looked at down to the last bit.

import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";

export type Sown =
  | { readonly kind: "file"; readonly mode?: number; readonly content: Uint8Array | string }
  | { readonly kind: "folder"; readonly mode?: number; readonly entries: SownEntries }
  | { readonly kind: "link"; readonly target: string | Uint8Array };
export type SownEntries = readonly (readonly [name: string | Uint8Array, sown: Sown])[];

const slash = Buffer.from("/");

export function below(folder: string | Uint8Array, name: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(folder), slash, Buffer.from(name)]);
}

/** Makes it, with times long ago that differ. */
export function sow(folder: string | Uint8Array, entries: SownEntries): void {
  mkdirSync(Buffer.from(folder), { recursive: true });
  for (const [index, [name, sown]] of entries.entries()) {
    const path = below(folder, name);
    if (sown.kind === "link") {
      symlinkSync(Buffer.from(sown.target), path);
      continue;
    }
    if (sown.kind === "file") writeFileSync(path, sown.content);
    else sow(path, sown.entries);
    chmodSync(path, sown.mode ?? (sown.kind === "file" ? 0o644 : 0o755));
    utimesSync(path, 1_600_000_000, 1_600_000_000.123456 + index);
  }
}

/** Every entry by its path, in latin1 so that raw bytes show, with all that must arrive. */
export function treeSeen(
  folder: string | Uint8Array,
  isLeftOut: (name: string) => boolean = () => false,
): ReadonlyMap<string, string> {
  const seen = new Map<string, string>();
  const visit = (path: Buffer, shown: string): void => {
    for (const name of readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare)) {
      const text = name.toString("latin1");
      if (isLeftOut(text)) continue;
      const inner = below(path, name);
      seen.set(`${shown}${text}`, lookOf(inner));
      if (lstatSync(inner).isDirectory()) visit(inner, `${shown}${text}/`);
    }
  };
  visit(Buffer.from(folder), "");
  return seen;
}

function lookOf(path: Buffer): string {
  const found = lstatSync(path, { bigint: true });
  const mode = (Number(found.mode) & 0o7777).toString(8);
  const time = `${found.mtimeNs / 1_000n}`;
  if (found.isSymbolicLink()) {
    return `link ${time} ${readlinkSync(path, { encoding: "buffer" }).toString("latin1")}`;
  }
  if (found.isDirectory()) return `folder ${mode} ${time}`;
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  return `file ${mode} ${time} ${found.size} ${digest}`;
}
