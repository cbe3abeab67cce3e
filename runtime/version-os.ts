// The version of this package, from its package.json: one level above this folder of the sources,
// and one above the programs that were built of them; on a host it lies beside those.

import { readFileSync } from "node:fs";

export function packageVersion(): string {
  const text = readIfThere("./package.json") ?? readIfThere("../package.json") ?? "{}";
  const { version }: { readonly version?: unknown } = JSON.parse(text);
  return typeof version === "string" ? version : "unknown";
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, import.meta.url), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
