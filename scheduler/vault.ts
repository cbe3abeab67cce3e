// The vault: the secrets of jobs that have not ended. They are in no record, no event and no log.
//
// A job's secrets are in the vault before the job is in the journal, so a job that the journal
// knows always has them; what the vault holds of jobs that the journal does not know is swept at
// the next start. One file per job, mode 0600, replaced atomically.

import { assert } from "../model/errors.ts";
import type { Files } from "../runtime/files.ts";

export type Secrets = Readonly<Record<string, string>>;

export interface SecretVault {
  /** Resolves when they are on disk. The same job again replaces them. */
  put(job: number, secrets: Secrets): Promise<void>;
  /** No error when there are none. */
  remove(job: number): Promise<void>;
  /** Everything in it, by job. */
  all(): Promise<ReadonlyMap<number, Secrets>>;
}

export function vaultIn(files: Files, dir: string): SecretVault {
  const path = (job: number): string => `${dir}/job-${job}.json`;
  return {
    put: async (job, secrets) => {
      await files.makeDir(dir, 0o700);
      await files.replace(path(job), Buffer.from(JSON.stringify(secrets)), 0o600);
    },
    remove: (job) => files.remove(path(job)),
    all: async () => {
      const names = await files.list(dir);
      const jobs = names.flatMap((name) => {
        const match = /^job-(\d+)\.json$/.exec(name);
        return match === null ? [] : [Number(match[1])];
      });
      const found = await Promise.all(
        jobs.map(async (job) => [job, parse(await files.read(path(job)))] as const),
      );
      return new Map(found);
    },
  };
}

/** Secrets in memory, for tests and simulations. */
export function vaultInMemory(): SecretVault {
  const kept = new Map<number, Secrets>();
  return {
    put: async (job, secrets) => {
      kept.set(job, secrets);
    },
    remove: async (job) => {
      kept.delete(job);
    },
    all: async () => new Map(kept),
  };
}

function parse(content: Uint8Array | undefined): Secrets {
  const value: unknown = content === undefined ? {} : JSON.parse(Buffer.from(content).toString());
  assert(typeof value === "object" && value !== null, "a file of the vault holds an object");
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]));
}
