// Damage done to what is on a disk, as a disk does it: behind everybody's back.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Flips a bit near the beginning of the one partial file in a folder. */
export function damagePartial(folder: string): void {
  const [name] = readdirSync(folder).filter((one) => one.endsWith("-partial"));
  const path = join(folder, name ?? "");
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes, { flag: "r+" });
}
