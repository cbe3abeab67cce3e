// The ports of a head on a host: the same after a restart, because nodes remember them.
//
// Kept in one small file in the head's folder. One that somebody else has taken meanwhile is given
// up for another; nodes that were told the old one are invited anew by whoever owns the hosts.

import type { Files } from "../../runtime/files.ts";

export interface HostedPorts {
  readonly nats: number;
  readonly bulk: number;
  readonly join: number;
}

/** 0 = wherever there is room. */
export const anyPorts: HostedPorts = { nats: 0, bulk: 0, join: 0 };

export async function readPorts(files: Files, path: string): Promise<HostedPorts> {
  const bytes = await files.read(path);
  if (bytes === undefined) return anyPorts;
  try {
    return { ...anyPorts, ...JSON.parse(Buffer.from(bytes).toString()) };
  } catch {
    return anyPorts; // Half a file of a host that lost power: nodes join anew.
  }
}

export async function keepPorts(files: Files, path: string, ports: HostedPorts): Promise<void> {
  await files.replace(path, Buffer.from(`${JSON.stringify(ports)}\n`), 0o600);
}

/** On the port of before, if it can be had. */
export async function onPort<T>(port: number, listen: (port: number) => Promise<T>): Promise<T> {
  if (port === 0) return await listen(0);
  try {
    return await listen(port);
  } catch {
    return await listen(0); // What else stands in the way is thrown now.
  }
}
