// Does the steps of `host-steps.ts` over SSH: a script for each, and the bundle.
//
// The scripts (`host-steps.sh`, `host-keep.sh`) hold what must be true on a host; here is what goes
// from us to it. What must always hold: nothing secret stands in a command line; a bundle leaves us
// once for all hosts that reach each other, also when they are asked for one after the other.

import { createReadStream, readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { SkyError } from "../../model/errors.ts";
import type { HostEnd } from "../../model/host-file.ts";
import { hostFolderName } from "../../model/host-file.ts";
import type { Log } from "../../runtime/log.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import type { Bundle } from "./bundle-os.ts";
import { spreadBundle } from "./bundle-spread-ssh.ts";
import type {
  Claimed,
  HostPlace,
  HostStatus,
  HostSteps,
  Installed,
  Removed,
  RoleFile,
} from "./host-steps.ts";
import { hostTrouble } from "./host-trouble.ts";
import { keptIn, linesOf, roleStatusOf } from "./host-words.ts";
import { isRecentEnough, type NatsProgram, type NatsSupply } from "./nats-supply-os.ts";

export interface HostStepsOptions {
  readonly ssh: Ssh;
  readonly log: Log;
  /** @throws SkyError `bundle/missing`. */
  readonly bundleFor: (arch: string) => Promise<Bundle>;
  readonly nats: NatsSupply;
  /** Hears how many bytes of bundles leave us. */
  readonly onSent?: (bytes: number) => void;
}

const lookMs = 30_000;
const startMs = 60_000;
/** Programs have ten seconds to end in order. */
const endMs = 90_000;

const script = ["host-steps.sh", "host-keep.sh"].map(scriptText).join("");

/** Beside this file among the sources, and beside the programs when they are built. */
function scriptText(name: string): string {
  return readFileSync(new URL(`./${name}`, import.meta.url), "utf8");
}

export function createHostSteps(options: HostStepsOptions): HostSteps {
  return new Steps(options);
}

class Steps implements HostSteps {
  readonly #options: HostStepsOptions;
  /** Of each cluster, by token: its hosts that have its bundle, to give it to others. */
  readonly #owners = new Map<string, ReadonlyMap<string, HostPlace>>();

  constructor(options: HostStepsOptions) {
    this.#options = options;
  }

  async install(places: readonly HostPlace[], signal: AbortSignal): Promise<readonly Installed[]> {
    const byArch = Map.groupBy(places, ({ arch }) => arch);
    const found = new Map<HostPlace, Installed>();
    const spread = [...byArch].map(async ([arch, alike]) => {
      const bundle = await this.#options.bundleFor(arch);
      const problems = await this.#spread(alike, bundle, signal);
      for (const [index, place] of alike.entries()) {
        const problem = problems[index];
        const { host } = place;
        found.set(place, problem === undefined ? { host } : { host, problem });
      }
    });
    await Promise.all(spread);
    return places.map((place) => found.get(place) ?? { host: place.host });
  }

  async natsServer(place: HostPlace, signal: AbortSignal): Promise<string> {
    const { nats } = this.#options;
    const look = { step: "find_nats", args: [], timeoutMs: lookMs };
    const found = await this.#step(place, look, signal);
    const before = found.get("nats");
    if (before !== undefined) return before;
    const [, path = "", version = ""] = /^(\S+) (.*)$/.exec(found.get("own") ?? "") ?? [];
    if (isRecentEnough(version)) return path;
    const program = await nats.of(place.arch, place.host, signal);
    const known = await this.#step(place, { ...look, args: [program.hash] }, signal);
    return known.get("nats") ?? (await this.#sendNats(place, program, signal));
  }

  async claim(place: HostPlace, devices: readonly number[], signal: AbortSignal): Promise<Claimed> {
    const ids = [...devices].sort((a, b) => a - b).map(String);
    const said = await this.#step(place, { step: "claim", args: ids, timeoutMs: lookMs }, signal);
    const workdir = said.get("workdir");
    if (workdir === undefined) throw unclear(place, "claiming");
    return { workdir };
  }

  async start(place: HostPlace, { role, file }: RoleFile, signal: AbortSignal): Promise<void> {
    const { hash } = await this.#options.bundleFor(place.arch);
    const nats =
      role === "head" ? (/\/nats-([0-9a-f]{64})\//.exec(file.natsServer)?.[1] ?? "") : "";
    const call = { step: "start", args: [role, hash, nats], timeoutMs: startMs };
    const input = `${JSON.stringify(file)}\n`;
    const said = await this.#step(place, { ...call, input }, signal);
    const keeper = said.get("keeper") ?? "unchanged";
    this.#options.log.info("a host's program runs", { host: place.host, role, keeper });
  }

  async status(place: HostPlace, signal: AbortSignal): Promise<HostStatus> {
    const call = { step: "status", args: [], timeoutMs: lookMs };
    const said = await this.#step(place, call, signal);
    const bootId = said.get("boot");
    if (bootId === undefined) throw unclear(place, "looking");
    const [bundle, ended] = [said.get("bundle"), said.get("ended")];
    return {
      folder: said.get("folder") === "present" ? "present" : "absent",
      ...{ head: roleStatusOf(said.get("head")), node: roleStatusOf(said.get("node")), bootId },
      ...(bundle === undefined ? {} : { bundle }),
      ...(ended === undefined ? {} : { ended: JSON.parse(ended) as HostEnd }),
    };
  }

  async stop(place: HostPlace, signal: AbortSignal): Promise<void> {
    await this.#step(place, { step: "stop", args: [], timeoutMs: endMs }, signal);
  }

  async remove(place: HostPlace, signal: AbortSignal): Promise<Removed> {
    const call = { step: "remove", args: [], timeoutMs: endMs };
    const said = await this.#step(place, call, signal);
    this.#forget(place);
    const unknown = said.get("unknown");
    if (unknown !== undefined) {
      this.#options.log.warn("nobody could tell what stays on a host", {
        ...{ host: place.host, why: unknown },
      });
    }
    return { kept: keptIn(said.get("kept") ?? "", unknown) };
  }

  // ---- bundles

  async #spread(
    places: readonly HostPlace[],
    bundle: Bundle,
    signal: AbortSignal,
  ): Promise<readonly (Error | undefined)[]> {
    // Archive and files, and room to work.
    const kilobytes = Math.ceil((bundle.bytes + bundle.unpackedBytes + 67_108_864) / 1_024);
    const args = [bundle.hash, String(kilobytes)];
    const looks = await Promise.all(
      places.map(async (place) => {
        const call = { step: "prepare", args, timeoutMs: lookMs };
        const said = this.#step(place, call, signal).then((lines) => lines.get("bundle"));
        return await said.catch((error: unknown) => error as Error);
      }),
    );
    const problems: (Error | undefined)[] = looks.map((look) =>
      look instanceof Error ? look : undefined,
    );
    const takers = places
      .map((place, index) => ({ index, place, folder: folderOf(place), has: has(looks[index]) }))
      .filter(({ index }) => problems[index] === undefined);
    const helpers = takers.every((taker) => taker.has) ? [] : this.#helpers(places, bundle);
    const sent = { bytes: 0 };
    const ends = await spreadBundle([...takers, ...helpers], {
      ...{ ssh: this.#options.ssh, log: this.#options.log, script, bundle, signal },
      onSent: (bytes) => {
        sent.bytes += bytes;
        this.#options.onSent?.(bytes);
      },
    });
    for (const [at, { index }] of takers.entries()) problems[index] = ends[at];
    this.#remember(
      places.filter((_, index) => problems[index] === undefined),
      bundle,
    );
    if (sent.bytes > 0) this.#options.log.info("the bundle was sent", { bytes: sent.bytes });
    return problems;
  }

  /** Hosts of the same cluster that had it when they were asked last. */
  #helpers(places: readonly HostPlace[], bundle: Bundle) {
    const token = places[0]?.token ?? "";
    const owners = this.#owners.get(ownersKey(token, bundle)) ?? new Map<string, HostPlace>();
    return [...owners.values()]
      .filter((owner) => !places.some(({ host }) => host === owner.host))
      .map((place) => ({ place, folder: folderOf(place), has: true }));
  }

  #remember(places: readonly HostPlace[], bundle: Bundle): void {
    for (const place of places) {
      const key = ownersKey(place.token, bundle);
      this.#owners.set(key, new Map([...(this.#owners.get(key) ?? []), [place.host, place]]));
    }
  }

  #forget({ token, host }: HostPlace): void {
    for (const [key, owners] of this.#owners) {
      if (!key.startsWith(token)) continue;
      const left = new Map([...owners].filter(([name]) => name !== host));
      if (left.size > 0) this.#owners.set(key, left);
      else this.#owners.delete(key);
    }
  }

  async #sendNats(place: HostPlace, program: NatsProgram, signal: AbortSignal): Promise<string> {
    const args = ["receive_nats", folderOf(place), program.hash];
    const call = { script, args, timeoutMs: lookMs };
    const stream = await this.#options.ssh.open(place.target, call, signal);
    let said = "";
    stream.stdout.on("data", (data) => {
      said += String(data);
    });
    const sent = pipeline(createReadStream(program.path), stream.stdin);
    const [ended, wrote] = await Promise.allSettled([stream.ended, sent]);
    if (ended.status === "rejected") throw ended.reason;
    if (ended.value.code !== 0) throw hostTrouble(place.host, "nats-server", ended.value);
    const installed = linesOf(said).get("nats");
    if (installed === undefined) throw wrote.status === "rejected" ? wrote.reason : unclear(place);
    return installed;
  }

  // ---- scripts

  async #step(
    place: HostPlace,
    call: {
      readonly step: string;
      readonly args: readonly string[];
      readonly input?: string;
      readonly timeoutMs: number;
    },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const { step, timeoutMs, input = "" } = call;
    const args = [step, folderOf(place), ...call.args];
    const { ssh } = this.#options;
    const result = await ssh.run(place.target, { script, args, input, timeoutMs }, signal);
    if (result.code !== 0) throw hostTrouble(place.host, step, result);
    return linesOf(result.stdout);
  }
}

function folderOf({ cluster, token }: HostPlace): string {
  return hostFolderName(cluster, token);
}

function has(look: string | Error | undefined): boolean {
  return look === "present";
}

function ownersKey(token: string, { hash }: Bundle): string {
  return `${token} ${hash}`;
}

function unclear(place: HostPlace, what = "a step"): SkyError {
  return new SkyError("host/failed", { host: place.host, what, why: "it said nothing" });
}
