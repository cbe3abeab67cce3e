// The version of this package, from its package.json: one level above this folder of the sources,
// and one above the bundles too.

import { readFileSync } from "node:fs";

export function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version }: { readonly version?: unknown } = JSON.parse(text);
  return typeof version === "string" ? version : "unknown";
}
