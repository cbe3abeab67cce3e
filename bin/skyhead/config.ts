// Reads `config.yaml` of a home. Absent means the defaults.

import { readFileSync } from "node:fs";
import type { Config } from "../../model/config.ts";
import { parseConfig } from "../../model/config.ts";
import type { Home } from "../../model/home.ts";

/** @throws SkyError `config/invalid`. */
export function readConfig(home: Home): Config {
  return parseConfig(home.config, read(home.config));
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
