// Published measurements and prices that lie beside a checkout, and are no part of it.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "./sources.ts";

/** Its text, or `undefined` where it does not lie there. */
export function published(name: string): string | undefined {
  const path = join(checkout, "..", "shared", "data", name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Why a test is skipped; `false` where there is nothing to miss. */
export function missing(text: string | undefined, name: string): string | false {
  return text === undefined && `no ${name} in ../shared/data`;
}
