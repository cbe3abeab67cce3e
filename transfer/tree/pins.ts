// Under which names trees are pinned in content stores (`chunks/content-store.ts`).
//
// All of a cluster's begin with its name, so whoever ends a cluster finds them; a node may fetch
// what its own cluster has pinned as a workdir, and nothing else.

import { type Digest, digestPattern } from "../chunks/chunk.ts";
import type { PinName } from "../chunks/content-store.ts";

export function clusterPins(cluster: string): string {
  return `${cluster}/`;
}

export function workdirPins(cluster: string): string {
  return `${cluster}/workdir/`;
}

/** What jobs of the cluster need at its head; also what their nodes ask it for. */
export function workdirPin(cluster: string, digest: Digest): PinName {
  return `${workdirPins(cluster)}${digest}`;
}

/** The tree of such a name; `undefined` for any other. */
export function workdirIn(cluster: string, pin: PinName): Digest | undefined {
  const start = workdirPins(cluster);
  const digest = pin.slice(start.length);
  return pin.startsWith(start) && digestPattern.test(digest) ? digest : undefined;
}

export function fanOutPins(cluster: string): string {
  return `${cluster}/fanout/`;
}

/** The same where several nodes get it at a time, from each other. */
export function fanOutPin(cluster: string, digest: Digest): PinName {
  return `${fanOutPins(cluster)}${digest}`;
}

/** The tree of such a name; `undefined` for any other. */
export function fanOutIn(cluster: string, pin: PinName): Digest | undefined {
  const digest = pin.slice(fanOutPins(cluster).length);
  return digestPattern.test(digest) && pin === fanOutPin(cluster, digest) ? digest : undefined;
}

export function packingPins(cluster: string): string {
  return `${cluster}/packing/`;
}

/** What is being packed: its digest is not known yet. */
export function packingPin(cluster: string, id: string): PinName {
  return `${packingPins(cluster)}${id}`;
}

export function givenPins(cluster: string): string {
  return `${cluster}/given/`;
}

/** What a cluster's home gave to its head for a submit that is to come. */
export function givenPin(cluster: string, digest: Digest): PinName {
  return `${givenPins(cluster)}${digest}`;
}

export function isGivenPin(cluster: string, pin: PinName): boolean {
  const digest = pin.slice(givenPins(cluster).length);
  return digestPattern.test(digest) && pin === givenPin(cluster, digest);
}

export function nodePins(cluster: string, node: string): string {
  return `${cluster}/node/${node}/`;
}

/** What ranks on a node need there. */
export function nodePin(cluster: string, node: string, digest: Digest): PinName {
  return `${nodePins(cluster, node)}${digest}`;
}
