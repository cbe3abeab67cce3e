// `sky profile`: measures the links between the gateways that there are, and remembers them.
//
// What was measured last of a link stands until it is measured again; plans go by it. One profile
// at a time: two would measure each other.

import { errorText, SkyError } from "../../model/errors.ts";
import type { ProfiledLink } from "../../model/transfer.ts";
import { parsePeer } from "../../runtime/certificates.ts";
import type { Files } from "../../runtime/files.ts";
import type { Log } from "../../runtime/log.ts";
import type { GatewaySite } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { type LinkMeasuring, measureLink } from "./profile-link.ts";
import { type LinkTest, profileRounds } from "./profile-rounds.ts";
import type { ProfileRequest } from "./transfers.ts";

export interface ProfilerOptions extends Omit<LinkMeasuring, "seconds"> {
  readonly files: Files;
  /** Where it is remembered. */
  readonly path: string;
  readonly log: Log;
}

export interface Profiler {
  /** Each link as it is known. One that carries nothing is left out, and is in the log. */
  measure(request: ProfileRequest, signal: AbortSignal): AsyncIterable<ProfiledLink>;
  /** What is known, the newest of each link. */
  links(): Promise<readonly ProfiledLink[]>;
}

const secondsUsual = 3;
const secondsMax = 600;

export function createProfiler(options: ProfilerOptions): Profiler {
  return new LinkProfiler(options);
}

class LinkProfiler implements Profiler {
  readonly #options: ProfilerOptions;
  #isBusy = false;

  constructor(options: ProfilerOptions) {
    this.#options = options;
  }

  async *measure(request: ProfileRequest, signal: AbortSignal): AsyncGenerator<ProfiledLink> {
    const { seconds = secondsUsual } = request;
    if (!(seconds > 0 && seconds <= secondsMax)) {
      throw new SkyError("request/invalid", { field: "seconds", why: `it is above ${secondsMax}` });
    }
    if (this.#isBusy) {
      throw new SkyError("request/invalid", { field: "profile", why: "one is under way already" });
    }
    this.#isBusy = true;
    try {
      const sites = chosen(await this.#options.doors.sites(signal), request);
      for (const round of profileRounds(sites)) {
        const found = await Promise.all(round.map((test) => this.#try(test, seconds, signal)));
        const links = found.filter((link) => link !== undefined);
        await this.#keep(links);
        yield* links;
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async links(): Promise<readonly ProfiledLink[]> {
    const { files, path, log } = this.#options;
    const bytes = await files.read(path);
    if (bytes === undefined) return [];
    try {
      const kept = JSON.parse(Buffer.from(bytes).toString()) as { links?: readonly ProfiledLink[] };
      return (kept.links ?? []).filter(isLink);
    } catch (error) {
      log.warn("what was measured of links cannot be read", { path, why: errorText(error) });
      return [];
    }
  }

  async #try(
    test: LinkTest,
    seconds: number,
    signal: AbortSignal,
  ): Promise<ProfiledLink | undefined> {
    const [from, to] = [test.from.gateway, test.to.gateway];
    try {
      const gbps = await measureLink({ ...this.#options, seconds }, test, signal);
      return { from, to, gbps, measuredAt: this.#options.clock.now().wallMs };
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.warn("a link was not measured", { from, to, why: errorText(error) });
      return undefined;
    }
  }

  async #keep(links: readonly ProfiledLink[]): Promise<void> {
    if (links.length === 0) return;
    const { files, path } = this.#options;
    const isNew = (known: ProfiledLink): boolean =>
      links.some(({ from, to }) => from === known.from && to === known.to);
    const others = (await this.links()).filter((known) => !isNew(known));
    const text = JSON.stringify({ links: [...others, ...links] }, undefined, 2);
    await files.makeDir(path.slice(0, path.lastIndexOf("/")), 0o700);
    await files.replace(path, Buffer.from(`${text}\n`), 0o600);
  }
}

function chosen(
  sites: readonly GatewaySite[],
  { clusters }: ProfileRequest,
): readonly GatewaySite[] {
  if (clusters === undefined || clusters.length === 0) return sites;
  const has = ({ gateway }: GatewaySite): boolean =>
    gateway === homeGateway || clusters.includes(parsePeer(gateway)?.cluster ?? "");
  for (const name of clusters) {
    if (sites.some(({ gateway }) => gateway.startsWith(`${name}/`))) continue;
    throw new SkyError("cluster/not-found", { name: `'${name}'`, hint: "" });
  }
  return sites.filter(has);
}

function isLink(link: Partial<ProfiledLink>): link is ProfiledLink {
  const { from, to, gbps, measuredAt } = link;
  const isNamed = typeof from === "string" && typeof to === "string";
  return isNamed && Number.isFinite(gbps) && Number.isFinite(measuredAt);
}
