// `skyhead`: the head of one home. It serves the API on the home's socket, runs the schedulers of
// all its clusters, and starts the nodes of local ones.
//
//     skyhead [--home DIR]        DIR defaults to $SKY_HOME, then ~/.sky
//     skyhead --hosted DIR        of one cluster, on its first host; DIR is its folder there
//
// One lives per home; a second one leaves with 75. When it takes calls it writes `ready` to
// descriptor 3, if that is open. TERM and INT end it in order; ranks run on and are found again.

import { closeSync, fstatSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { homeAt } from "../model/home.ts";
import { type HeadFile, type HeadSettings, parseHeadFile } from "../model/host-file.ts";
import { takeLock } from "../runtime/home-lock-sqlite.ts";
import type { Log } from "../runtime/log.ts";
import { createPinoLog } from "../runtime/log-pino.ts";
import { readConfig } from "./skyhead/config.ts";
import { startHeadProcess } from "./skyhead/head-process.ts";
import type { Hosted } from "./skyhead/hosted.ts";

/** EX_TEMPFAIL of sysexits.h: another one holds the home. */
const exitHeld = 75;
const readyDescriptor = 3;

await main().catch((error: unknown) => {
  process.stderr.write(`skyhead: ${errorText(error)}\n`);
  process.exit(1);
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { home: { type: "string" }, hosted: { type: "string" } },
  });
  const home = homeAt(homeRoot(values));
  const lock = takeLock(home.lock);
  if (lock === undefined) process.exit(exitHeld);
  const config = { ...(await readConfig(home)), ...(await settingsOf(values.hosted)) };
  const { log, close } = createPinoLog({ destination: home.headLog, level: config.log.level });
  let isEnding = false;
  const end = (code: number): void => {
    close();
    lock.release();
    process.exit(code);
  };
  const crash = (error: unknown): void => {
    log.error("head crashed", { error });
    process.stderr.write(`skyhead: ${errorText(error)}\n`);
    end(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);

  const head = await startHeadProcess({
    ...{ home, config, log },
    ...(values.hosted === undefined
      ? {}
      : { hosted: await hostedIn(values.hosted, { home, log }) }),
    onIdle: (why) => void stop(why),
    onBroken: crash,
  });
  const stop = async (why: string): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    log.info("head ends", { why, ranks: "those that run, run on" });
    await head.close(why).catch(crash);
    end(0);
  };
  process.on("SIGTERM", () => void stop("SIGTERM"));
  process.on("SIGINT", () => void stop("SIGINT"));
  log.info("head is ready", { home: home.root });
  sayReady();
}

function homeRoot(values: { readonly home?: string; readonly hosted?: string }): string {
  if (values.hosted !== undefined) return `${resolve(values.hosted)}/head`;
  const chosen = values.home ?? process.env["SKY_HOME"] ?? "";
  return chosen === "" ? `${homedir()}/.sky` : resolve(chosen);
}

/** Loaded where it is wanted: a head of a user's machine needs none of it. */
async function hostedIn(
  where: string,
  known: { readonly home: Home; readonly log: Log },
): Promise<Hosted> {
  const { openHosted } = await import("./skyhead/hosted.ts");
  return await openHosted({ dir: resolve(where), file: await headFileIn(where), ...known });
}

async function headFileIn(dir: string): Promise<HeadFile> {
  return parseHeadFile(await readFile(`${resolve(dir)}/head.json`, "utf8"));
}

/** Of a head on a host: those of the home that its cluster is of. */
async function settingsOf(hosted: string | undefined): Promise<Partial<HeadSettings>> {
  return hosted === undefined ? {} : ((await headFileIn(hosted)).settings ?? {});
}

/** Whoever started us waits for this word. Nobody may be there: then there is nobody to tell. */
function sayReady(): void {
  try {
    if (!isGiven(readyDescriptor)) return;
    writeSync(readyDescriptor, "ready\n");
    closeSync(readyDescriptor);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

/** Whether whoever started us opened it; what Node opens for itself is neither pipe nor file. */
function isGiven(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    return found.isFIFO() || found.isSocket() || found.isFile();
  } catch {
    return false; // Not open.
  }
}
