// Microsoft's own emulator of Azure Blob Storage, as a child process on a port of its choice.
//
// It keeps everything in memory and tells nobody at home. Whoever starts it ends it.

import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";

export interface Azurite {
  /** With the account: where containers are. */
  readonly endpoint: string;
  readonly account: string;
  readonly accountKey: string;
  close(): Promise<void>;
}

const startMs = 20_000;
/** Of this test alone: azurite takes any account that it is told of. */
const account = "skytest";
const accountKey = Buffer.from("a key of the tests, and of nobody else").toString("base64");

export async function startAzurite(): Promise<Azurite> {
  const main = createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js");
  const flags = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"];
  const quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"];
  const child = spawn(process.execPath, [main, ...flags, ...quiet], {
    cwd: tmpdir(),
    env: { ...process.env, AZURITE_ACCOUNTS: `${account}:${accountKey}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    const origin = await listening(child);
    return { endpoint: `${origin}/${account}`, account, accountKey, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Error(`azurite does not start: ${said}`)), startMs);
    const hear = (piece: Buffer): void => {
      said += piece.toString();
      const origin = /successfully listens on (http:\/\/\S+)/.exec(said)?.[1];
      if (origin === undefined) return;
      clearTimeout(timer);
      resolve(origin);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", () => {
      clearTimeout(timer);
      reject(new Error(`azurite ended: ${said}`));
    });
  });
}
