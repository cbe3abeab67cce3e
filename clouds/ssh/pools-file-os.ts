// The pools file from the disk: read anew each time, since users edit it beside a running head.

import { isUtf8 } from "node:buffer";
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { errorText, SkyError } from "../../model/errors.ts";
import { problemsText } from "../../model/problem.ts";
import { type Pool, poolsPath } from "./pools.ts";
import { readPools } from "./pools-file.ts";

const fileBytesMax = 1_048_576;

/**
 * The pools of a home, in the order of its file; none if there is no file.
 * @throws SkyError `pools/invalid` with every problem at its place.
 */
export async function loadPools(skyHome: string): Promise<readonly Pool[]> {
  const file = poolsPath(skyHome);
  const text = await textOf(file);
  if (text === undefined) return [];
  const { pools, problems } = readPools(text, { file, home: homedir(), isFile });
  if (problems.length > 0) throw invalid(problemsText(problems));
  return pools;
}

async function textOf(file: string): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw invalid(`${file}: it cannot be read: ${errorText(cause)}`, cause);
  }
  if (bytes.length > fileBytesMax) {
    throw invalid(`${file}: it has ${bytes.length} bytes, at most ${fileBytesMax} are read`);
  }
  if (!isUtf8(bytes)) throw invalid(`${file}: it is not UTF-8, which a pools file should be`);
  return bytes.toString("utf8");
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // Whatever is in the way: ssh could not read it either.
    return false;
  }
}

function invalid(problems: string, cause?: unknown): SkyError {
  return new SkyError("pools/invalid", { problems }, { cause });
}
