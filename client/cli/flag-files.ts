// Flags of a task that name files: `--env-file`, `--secret-file` and `--config`.
//
// A file's problems have their line; nothing of its text is shown, for it may be a secret.

import { readFileSync } from "node:fs";
import { SkyError } from "../../model/errors.ts";
import { problemsText } from "../../model/problem.ts";
import { isNull, type Tree, treeOfFlag } from "../../model/value-tree.ts";
import { parseDotenv } from "../dotenv.ts";
import type { NamedValue, TaskFlags } from "../task-flags.ts";
import { WrongUse } from "./exit-codes.ts";
import { type Parsed, textFlag, textsFlag } from "./flags.ts";

/** @throws SkyError `task/invalid` with every problem of a file; WrongUse if there is none. */
export async function flagFiles(parsed: Parsed): Promise<TaskFlags> {
  const envFile = textFlag(parsed, "envFile");
  const secretFile = textFlag(parsed, "secretFile");
  const config: Tree[] = [];
  for (const text of textsFlag(parsed, "config")) config.push(await configTree(text));
  return {
    ...(envFile === undefined ? {} : { envFile: variablesIn(envFile, "--env-file") }),
    ...(secretFile === undefined ? {} : { secretFile: variablesIn(secretFile, "--secret-file") }),
    ...(config.length === 0 ? {} : { config }),
  };
}

function variablesIn(path: string, flag: string): readonly NamedValue[] {
  const reading = parseDotenv(contentOf(path, flag), path, process.env);
  if (reading.ok) return reading.values;
  throw new SkyError("task/invalid", { problems: problemsText(reading.problems) });
}

function contentOf(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WrongUse(`${flag}: '${path}' cannot be read: ${why}`);
  }
}

const settingPattern = /^([A-Za-z_][\w-]*(?:\.[\w-]+)*)=([\s\S]*)$/;

/** `key.inner=value`, or a YAML file of settings. */
async function configTree(text: string): Promise<Tree> {
  const setting = settingPattern.exec(text);
  if (setting === null) return configFile(text);
  const [, path = "", value = ""] = setting;
  const place = { kind: "value", path: "--config" } as const;
  const leaf = treeOfFlag(value, "--config");
  return path.split(".").reduceRight<Tree>((inner, key) => {
    return { kind: "map", place, entries: [{ key, keyPlace: place, value: inner }] };
  }, leaf);
}

async function configFile(path: string): Promise<Tree> {
  const content = contentOf(path, "--config");
  const { readYaml } = await import("../../model/yaml-tree.ts");
  const { documents, problems } = readYaml(content, path);
  const [tree] = documents ?? [];
  if (problems.length > 0 || tree === undefined) {
    throw new SkyError("task/invalid", { problems: problemsText(problems) });
  }
  if (tree.kind === "map" || isNull(tree)) return tree;
  throw new WrongUse(`--config: '${path}' should hold settings (name: value), or be KEY=VALUE`);
}
