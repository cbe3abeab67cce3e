// What a head on a host of its cluster has beside, or instead of, what any head has: the cloud of
// given hosts, the lane that other hosts reach, the service for whoever owns the table of clusters,
// and its end.
//
// It serves one cluster and lives for it: when that has stopped, or is gone, it leaves word of it
// in the cluster's folder (`ended`), where the supervisor looks, and ends.
//
// What must always hold: it ends by itself for no other reason; the word is there before it ends.

import type { Server } from "@grpc/grpc-js";
import type { HostsCloud } from "../../clouds/cloud-hosts.ts";
import { openHostsCloud } from "../../clouds/cloud-hosts.ts";
import type { Busy } from "../../clouds/cluster-record.ts";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import { SkyError } from "../../model/errors.ts";
import type { Home } from "../../model/home.ts";
import type { HeadFile, HostEnd } from "../../model/host-file.ts";
import { addService } from "../../proto/server-grpc.ts";
import { hostService } from "../../proto/services.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { Log } from "../../runtime/log.ts";
import { hostHandlers } from "../../scheduler/api-hosts-grpc.ts";
import type { ApiOptions } from "../../scheduler/api-options.ts";
import type { Heads } from "../../scheduler/heads-os.ts";
import { hostAgents } from "../../scheduler/host-agents.ts";
import type { HostedLane } from "./hosted-lane.ts";
import { openHostedLane } from "./hosted-lane.ts";
import type { LanesOptions } from "./lane.ts";

export interface HostedOptions {
  /** The cluster's folder on this host. */
  readonly dir: string;
  readonly file: HeadFile;
  readonly home: Home;
  readonly log: Log;
}

export async function openHosted(options: HostedOptions): Promise<Hosted> {
  const { home, log } = options;
  // The cloud is asked for nothing before the heads are there.
  let heads: Pick<Heads, "get"> | undefined;
  const agents = hostAgents({ get: (cluster) => heads?.get(cluster) });
  const files = createOsFiles(home.root);
  const path = `${home.head}/hosts.json`;
  const cloud = await openHostsCloud({ files, path, log, agents });
  return new Hosted(options, cloud, (known) => {
    heads = known;
  });
}

export class Hosted {
  readonly cloud: HostsCloud;
  readonly #options: HostedOptions;
  readonly #know: (heads: Pick<Heads, "get">) => void;
  #lane: HostedLane | undefined;
  #fleets: Fleets | undefined;
  #busy: Pick<Busy, "verb" | "user"> | undefined;
  /** It was seen on its way: an end from here on is an end. */
  #wasAwake = false;

  constructor(
    options: HostedOptions,
    cloud: HostsCloud,
    know: (heads: Pick<Heads, "get">) => void,
  ) {
    this.#options = options;
    this.cloud = cloud;
    this.#know = know;
  }

  openLane = async (options: LanesOptions): Promise<HostedLane> => {
    const { dir, file } = this.#options;
    this.#lane = await openHostedLane(options, { dir, ...file });
    return this.#lane;
  };

  /** `onEnd`: the cluster has stopped or is gone, and the word is there. Before the first call. */
  begin(parts: {
    readonly fleets: Fleets;
    readonly heads: Pick<Heads, "get">;
    readonly onEnd: (why: string) => void;
  }): void {
    this.#fleets = parts.fleets;
    this.#know(parts.heads);
    const look = (): void => {
      const end = this.#look();
      if (end === undefined) return;
      stop();
      this.#leaveWord(end).then(
        () => parts.onEnd(`the cluster is ${end.verb === "down" ? "gone" : "stopped"}`),
        (error: unknown) => this.#options.log.error("the end is not on record", { error }),
      );
    };
    const stop = parts.fleets.onChange(this.#options.file.cluster, look);
    look();
  }

  serve(server: Server, api: ApiOptions): void {
    const { file, log } = this.#options;
    const { cluster, token } = file;
    const lane = async (): Promise<HostedLane> => {
      const known = this.#lane;
      if (known === undefined) throw new SkyError("cluster/not-found", { name: cluster, hint: "" });
      return known;
    };
    const handlers = hostHandlers({
      ...{ ...api, hosts: this.cloud, own: { cluster, token }, why: () => this.#why() },
      invite: async (name, node) => (await lane()).invite(name, node),
      homeAccess: async (name) => (await lane()).homeAccess(name),
    });
    const hearBug = (error: unknown, method: string): void =>
      log.error("request failed", { method, error });
    addService(server, hostService, { handlers, hearBug });
  }

  /** How the cluster has ended, if it has. */
  #look(): Omit<HostEnd, "at"> | undefined {
    const { cluster } = this.#options.file;
    const record = this.#fleets?.record(cluster);
    if (record?.busy !== undefined) this.#busy = record.busy;
    const isOn = record !== undefined && record.status !== "STOPPED";
    if (isOn) this.#wasAwake = true;
    if (isOn) return undefined;
    if (record !== undefined) {
      return this.#wasAwake ? { verb: "stop", why: this.#why() } : undefined;
    }
    // Of one that went while an earlier head had no time to say so.
    const isGone = this.#wasAwake || (this.#fleets?.gone().length ?? 0) > 0;
    return isGone ? { verb: "down", why: this.#why() } : undefined;
  }

  #why(): string {
    if (this.#busy === undefined) return "";
    const { verb, user } = this.#busy;
    if (verb === "autostop" || verb === "autodown") return "it was idle";
    return user === "" ? verb : `${verb} by ${user}`;
  }

  async #leaveWord({ verb, why }: Omit<HostEnd, "at">): Promise<void> {
    const { dir, file, log } = this.#options;
    const kept = verb === "down" ? this.cloud.kept(file.cluster) : [];
    const end: HostEnd = { verb, why, at: Date.now(), ...(kept.length === 0 ? {} : { kept }) };
    log.info("the cluster has ended on this host", { ...end });
    const text = Buffer.from(`${JSON.stringify(end)}\n`);
    await createOsFiles(dir).replace(`${dir}/ended`, text, 0o600);
  }
}
