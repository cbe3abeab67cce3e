// The folder that every `ssh` of ours runs in, and the short ones that only tell something.
//
// Names of what is made there carry our pid: what a killed process left is known by that, and goes
// when the next one opens the folder. What must always hold: nobody but the user can read it.

import { execFile } from "node:child_process";
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { errorText, SkyError } from "../model/errors.ts";
import { makeFolders } from "./folders-os.ts";
import { programMissing, sshErrorOf } from "./openssh-errors.ts";
import {
  configName,
  configText,
  parseResolved,
  type Resolved,
  resolveArgs,
} from "./openssh-options.ts";
import { identityOf } from "./process-identity-os.ts";
import type { SshTarget } from "./ssh.ts";

export interface SshFolder {
  readonly dir: string;
  readonly program: string;
  /** Of the user, if it is somewhere else than OpenSSH looks. */
  readonly sshConfig: string | undefined;
  /** Where `~/` leads. */
  readonly home: string;
  readonly connectMs: number;
  readonly env: () => NodeJS.ProcessEnv;
  /** Where the user has keys of a host, by its name there: as it was when it was met last. */
  readonly keyFiles?: Map<string, readonly string[]>;
}

/** Makes it what it has to be, also if somebody removed it meanwhile. */
export function prepareFolder({ dir, sshConfig, connectMs }: SshFolder): void {
  try {
    makeFolders(dir, 0o700);
    chmodSync(dir, 0o700);
    const temp = join(dir, freshName("w"));
    writeFileSync(temp, configText(sshConfig, { passwdHome: passwdHome(), connectMs }), {
      mode: 0o600,
    });
    renameSync(temp, join(dir, configName));
  } catch (error) {
    const params = { what: `the folder ${dir}`, why: errorText(error) };
    throw new SkyError("process/failed", params, { cause: error });
  }
}

/** As the system has it, whatever the environment says. */
export function passwdHome(): string {
  return userInfo().homedir;
}

/** Takes away what processes left that are dead. */
export function sweepFolder(dir: string): void {
  for (const name of readdirSync(dir)) {
    const pid = Number(/^[a-z]-(\d+)-\d+(\.|$)/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || pid === process.pid || identityOf(pid) !== undefined) continue;
    rmSync(join(dir, name), { force: true });
  }
}

let names = 0;

/** A short name that nobody else uses: `c-4711-1`. */
export function freshName(letter: string): string {
  names += 1;
  return `${letter}-${process.pid}-${names}`;
}

export interface SshWords {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const wordsBytesMax = 1_048_576;

/** An `ssh` that says something and ends. */
export async function askSsh(
  folder: SshFolder,
  args: readonly string[],
  options: { readonly target: SshTarget; readonly signal: AbortSignal },
): Promise<SshWords> {
  const { target, signal } = options;
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const how = {
      ...{ cwd: folder.dir, env: folder.env(), maxBuffer: wordsBytesMax, signal },
      ...{ killSignal: "SIGKILL" as const, timeout: folder.connectMs },
    };
    const child = execFile(folder.program, [...args], how, (error, stdout, stderr) => {
      if (signal.aborted) return reject(signal.reason);
      if (error?.code === "ENOENT") return reject(programMissing(target, folder.program));
      if (error === null) return resolve({ code: 0, stdout, stderr });
      const code = typeof error.code === "number" ? error.code : 255;
      resolve({ code, stdout, stderr: stderr === "" ? errorText(error) : stderr });
    });
    child.stdin?.end();
  });
}

/** What the user's configuration makes of a name. `via`: the way there, if it is another. */
export async function resolveHost(
  folder: SshFolder,
  target: SshTarget,
  options: { readonly via?: readonly string[]; readonly signal: AbortSignal },
): Promise<Resolved> {
  const { via = [], signal } = options;
  const args = [...viaArgs(via), ...resolveArgs(target, folder)];
  const { code, stdout, stderr } = await askSsh(folder, args, { target, signal });
  if (code !== 0) throw sshErrorOf(stderr, { target, folder: folder.dir });
  const resolved = parseResolved(stdout);
  folder.keyFiles?.set(resolved.knownName, keyFilesOf(resolved));
  return resolved;
}

/** Beside ours. */
export function keyFilesOf({ knownHosts, values }: Resolved): readonly string[] {
  const all = `${knownHosts} ${values.get("globalknownhostsfile") ?? ""}`.split(" ");
  return all.filter((path) => path.startsWith("/"));
}

export function viaArgs(via: readonly string[]): readonly string[] {
  return via.length === 0 ? [] : ["-J", via.join(",")];
}
