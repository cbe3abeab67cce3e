// What can be done to a host for one cluster: the port between the cloud `ssh`, which knows when,
// and `host-steps-ssh.ts`, which knows how.
//
// Every step may be repeated, and may have been cut off before: it goes on from whatever is there.
// Errors are SkyErrors: those of `runtime/ssh.ts`, `host/unfit`, `host/failed`, `bundle/missing`.

import type { HeadFile, HostEnd, HostFile } from "../../model/host-file.ts";
import type { SshTarget } from "../../runtime/ssh.ts";

/** One cluster on one host. */
export interface HostPlace {
  /** As in its pool. */
  readonly host: string;
  readonly target: SshTarget;
  /** Where other hosts reach it. */
  readonly ip: string;
  readonly arch: string;
  readonly cluster: string;
  readonly token: string;
}

/** A host runs the node's agent; the first one of a cluster the head besides. */
export type HostRole = "head" | "node";

export interface HostSteps {
  /**
   * Makes the bundle be there on every host, verified. It leaves us once if hosts reach each other:
   * those that have it give it to the others. Resolves with what became of each, in their order.
   */
  install(places: readonly HostPlace[], signal: AbortSignal): Promise<readonly Installed[]>;
  /**
   * The path of a nats-server there, for the cluster's head: the one that it had before, the host's
   * own, or one that is sent along.
   * @throws SkyError `host/unfit` where none can be had.
   */
  natsServer(place: HostPlace, signal: AbortSignal): Promise<string>;
  /**
   * Takes devices for the cluster, all or none, and the workdir's name. What this cluster has
   * already stays as it is.
   * @throws SkyError `host/unfit` when another cluster has one of them.
   */
  claim(place: HostPlace, devices: readonly number[], signal: AbortSignal): Promise<Claimed>;
  /**
   * Writes the role's file, makes the installed bundle the one that runs, and starts the role's
   * supervisor. One that runs with another bundle or another file is started anew; ranks run on.
   */
  start(place: HostPlace, file: RoleFile, signal: AbortSignal): Promise<void>;
  status(place: HostPlace, signal: AbortSignal): Promise<HostStatus>;
  /** Ends both roles for good. Not the ranks: the head has ended those before. */
  stop(place: HostPlace, signal: AbortSignal): Promise<void>;
  /**
   * Ends everything of the cluster there and takes away every file, claim, unit and key of ours;
   * a bundle that nobody else uses too. Done when nothing is found any more.
   */
  remove(place: HostPlace, signal: AbortSignal): Promise<Removed>;
}

export type RoleFile =
  | { readonly role: "head"; readonly file: HeadFile }
  | { readonly role: "node"; readonly file: HostFile };

export interface Installed {
  readonly host: string;
  /** Absent: it is there. */
  readonly problem?: Error;
}

export interface Claimed {
  /** As in `HostFile`. */
  readonly workdir: string;
}

export interface HostStatus {
  /** `absent`: there is no folder of this cluster. */
  readonly folder: "absent" | "present";
  /** `running`: its supervisor lives; `dead`: it should and does not. */
  readonly head: RoleStatus;
  readonly node: RoleStatus;
  readonly ended?: HostEnd;
  /** The hash of the bundle that runs. */
  readonly bundle?: string;
  readonly bootId: string;
}

export type RoleStatus = "absent" | "running" | "dead";

export interface Removed {
  /** Files of the user's that stay, for people: `~/sky_workdir: 3 files that jobs made`. */
  readonly kept: readonly string[];
}
