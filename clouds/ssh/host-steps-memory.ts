// Hosts for tests: what `HostSteps` does to them is entries in a table, faults follow a script.
//
// A fault is chosen by a function of the call, so one script says "gpu3 cannot be reached" or "the
// first start on gpu2 fails". As the port demands, every step may be repeated.

import { SkyError } from "../../model/errors.ts";
import type { HostEnd } from "../../model/host-file.ts";
import { hostFolderName } from "../../model/host-file.ts";
import type {
  HostPlace,
  HostRole,
  HostStatus,
  HostSteps,
  Installed,
  RoleFile,
  RoleStatus,
} from "./host-steps.ts";

export interface HostCall {
  readonly verb: keyof HostSteps;
  readonly host: string;
  /** Counted from 1, per verb and host. */
  readonly count: number;
}

export interface MemoryHostsOptions {
  /** The error that a step on a host shall end with, if it shall; `hang` never ends by itself. */
  readonly fault?: (call: HostCall) => SkyError | "hang" | undefined;
  readonly bundle?: () => string;
  /** What stays on a host when a cluster is removed from it. */
  readonly kept?: readonly string[];
}

/** One cluster's folder on one host. */
export interface MemoryFolder {
  bundle: string | undefined;
  readonly roles: Map<HostRole, { status: RoleStatus; file: RoleFile["file"] }>;
  ended: HostEnd | undefined;
  workdir: string;
}

export interface MemoryHost {
  readonly bundles: Set<string>;
  readonly claims: Map<string, string>;
  readonly folders: Map<string, MemoryFolder>;
  bootId: string;
}

export interface MemoryHosts extends HostSteps {
  host(name: string): MemoryHost;
  /** `verb host`, in the order of the calls. */
  readonly calls: string[];
  /** Calls that hang. */
  hanging(): number;
  /** Everything in it ends, and nothing starts by itself. */
  reboot(name: string): void;
}

export function createMemoryHosts(options: MemoryHostsOptions = {}): MemoryHosts {
  return new Hosts(options);
}

class Hosts implements MemoryHosts {
  readonly calls: string[] = [];
  readonly #options: MemoryHostsOptions;
  readonly #hosts = new Map<string, MemoryHost>();
  readonly #counts = new Map<string, number>();
  #hanging = 0;

  constructor(options: MemoryHostsOptions) {
    this.#options = options;
  }

  host(name: string): MemoryHost {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const bundles = new Set<string>();
    const made = { bundles, claims: new Map(), folders: new Map(), bootId: `${name}-1` };
    this.#hosts.set(name, made);
    return made;
  }

  hanging(): number {
    return this.#hanging;
  }

  reboot(name: string): void {
    const host = this.host(name);
    host.bootId = `${host.bootId}+`;
    for (const { roles } of host.folders.values()) {
      for (const role of roles.values()) role.status = "dead";
    }
  }

  async install(places: readonly HostPlace[], signal: AbortSignal): Promise<readonly Installed[]> {
    return Promise.all(
      places.map(async ({ host }) => {
        try {
          await this.#call("install", host, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          return { host, problem: error as Error };
        }
        this.host(host).bundles.add(this.#bundle());
        return { host };
      }),
    );
  }

  async natsServer(place: HostPlace, signal: AbortSignal): Promise<string> {
    await this.#call("natsServer", place.host, signal);
    return "bin/nats-server";
  }

  async claim(place: HostPlace, devices: readonly number[], signal: AbortSignal) {
    await this.#call("claim", place.host, signal);
    const { claims } = this.host(place.host);
    const holder = folderOf(place);
    const names = devices.map((id) => `gpu-${id}`);
    for (const name of names) {
      const other = claims.get(name);
      if (other === undefined || other === holder) continue;
      const why = `${other} has ${name}`;
      throw new SkyError("host/unfit", { host: place.host, why, fix: "Ask for fewer" });
    }
    for (const name of names) claims.set(name, holder);
    if (!claims.has("workdir")) claims.set("workdir", holder);
    const folder = this.#folder(place);
    if (claims.get("workdir") !== holder) folder.workdir = `sky_workdir-${place.cluster}`;
    return { workdir: folder.workdir };
  }

  async start(place: HostPlace, file: RoleFile, signal: AbortSignal): Promise<void> {
    await this.#call("start", place.host, signal);
    if (!this.host(place.host).bundles.has(this.#bundle())) {
      throw new SkyError("bundle/missing", { arch: place.arch, fix: "install it" });
    }
    const folder = this.#folder(place);
    folder.bundle = this.#bundle();
    folder.ended = undefined;
    folder.roles.set(file.role, { status: "running", file: file.file });
  }

  async status(place: HostPlace, signal: AbortSignal): Promise<HostStatus> {
    await this.#call("status", place.host, signal);
    const { bootId, folders } = this.host(place.host);
    const folder = folders.get(folderOf(place));
    if (folder === undefined) return { folder: "absent", head: "absent", node: "absent", bootId };
    const { ended, bundle, roles } = folder;
    return {
      folder: "present",
      head: roles.get("head")?.status ?? "absent",
      node: roles.get("node")?.status ?? "absent",
      ...(ended && { ended }),
      ...(bundle !== undefined && { bundle }),
      bootId,
    };
  }

  async stop(place: HostPlace, signal: AbortSignal): Promise<void> {
    await this.#call("stop", place.host, signal);
    const folder = this.host(place.host).folders.get(folderOf(place));
    if (folder === undefined) return;
    for (const role of folder.roles.values()) role.status = "dead";
    folder.ended = { verb: "stop", why: "stopped", at: 0 };
  }

  async remove(place: HostPlace, signal: AbortSignal) {
    await this.#call("remove", place.host, signal);
    const { claims, folders } = this.host(place.host);
    const was = folders.delete(folderOf(place));
    for (const [name, holder] of claims) if (holder === folderOf(place)) claims.delete(name);
    return { kept: was ? (this.#options.kept ?? []) : [] };
  }

  #bundle(): string {
    return this.#options.bundle?.() ?? "b1";
  }

  #folder(place: HostPlace): MemoryFolder {
    const { folders } = this.host(place.host);
    const known = folders.get(folderOf(place));
    if (known !== undefined) return known;
    const made: MemoryFolder = {
      ...{ bundle: undefined, ended: undefined, workdir: "sky_workdir" },
      roles: new Map(),
    };
    folders.set(folderOf(place), made);
    return made;
  }

  async #call(verb: keyof HostSteps, host: string, signal: AbortSignal): Promise<void> {
    const key = `${verb} ${host}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    this.calls.push(key);
    const cancelled = new SkyError("core/cancelled", { what: key });
    if (signal.aborted) throw cancelled;
    const fault = this.#options.fault?.({ verb, host, count });
    if (fault === "hang") {
      this.#hanging += 1;
      await new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(cancelled), { once: true });
      }).finally(() => {
        this.#hanging -= 1;
      });
    } else if (fault !== undefined) throw fault;
  }
}

function folderOf({ cluster, token }: HostPlace): string {
  return hostFolderName(cluster, token);
}
