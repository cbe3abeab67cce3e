// Reads `config.yaml` of a home. Absent or empty means the defaults, and loads no parser.

import { readFileSync } from "node:fs";
import type { Config } from "../../model/config.ts";
import { defaultConfig } from "../../model/config.ts";
import type { Home } from "../../model/home.ts";

/** @throws SkyError `config/invalid`. */
export async function readConfig(home: Home): Promise<Config> {
  const text = read(home.config);
  if (text.trim() === "") return defaultConfig;
  const { parseConfig } = await import("../../model/config-file.ts");
  return parseConfig(home.config, text);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
