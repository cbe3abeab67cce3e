// Followers that users have: `sky logs` in a terminal, started before the first kill.
//
// Each job that is witnessed has two: one in the home itself, which brings a killed head back like
// any command, and one through the fault proxy. Both must end with the job's exit code, and have
// printed every byte of every rank once, in order, behind its prefix.

import { existsSync, statSync } from "node:fs";
import { until } from "../support/programs.ts";
import type { Printed } from "./evidence.ts";
import type { Ground } from "./ground.ts";
import { places } from "./rank-script.ts";

export class Witnesses {
  /** Those that have ended. */
  readonly printed: Printed[] = [];
  readonly #ground: Ground;
  readonly #under: Promise<void>[] = [];

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Resolves when both have printed something. */
  async follow(cluster: string, id: number): Promise<void> {
    const { home, clientHome, folder } = this.#ground;
    const paths = Object.entries({ direct: home, proxied: clientHome }).map(([name, at]) => {
      const path = `${folder}/${places.printed}/${cluster}-${id}-${name}`;
      const ended = this.#ground.follow(["logs", cluster, `${id}`], { home: at, path });
      const kept = ended.then((code) => void this.printed.push({ cluster, id, path, code }));
      this.#under.push(kept);
      return path;
    });
    const stand = () => paths.every((path) => existsSync(path) && statSync(path).size > 0);
    await until(`the followers of ${cluster}-${id} stand`, stand);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#under);
  }
}
