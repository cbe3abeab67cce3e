// Where the nats-server of a head on a host has its files, and as whom it runs.
//
// It never runs as root: where the head does, the server gets a numeric user of its own, that
// belongs to nobody, and a folder that this user can reach, outside of root's home; with a copy of
// the program where that is in root's home too. The folder's path is on record in the cluster's
// folder (`bus-folder`), so that whoever removes the cluster finds it.
//
// What must always hold: that user can write into its folder of ports and nowhere else.

import { createHash } from "node:crypto";
import { chownSync, copyFileSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { NatsOwner } from "../../runtime/nats-files-os.ts";

export interface BusFolder {
  readonly dir: string;
  readonly binary: string;
  /** Absent: as who we are. */
  readonly owner?: NatsOwner;
}

const rootless = "/var/lib/skylet";
/** Source: systemd.io/UIDS-GIDS: 60578 to 61183 are given to nobody. */
const uidFirst = 60_600;
const uidCount = 500;

export function openBusFolder(place: {
  /** The cluster's folder on this host. */
  readonly dir: string;
  /** Where it is where we are not root. */
  readonly bus: string;
  readonly binary: string;
}): BusFolder {
  const { dir, bus, binary } = place;
  if (process.getuid?.() !== 0) return { dir: bus, binary };
  const own = `${rootless}/${basename(dir)}`;
  writeFileSync(`${dir}/bus-folder`, `${own}\n`, { mode: 0o600 });
  const uid = uidFirst + (createHash("sha256").update(dir).digest().readUInt16BE() % uidCount);
  mkdirSync(rootless, { recursive: true, mode: 0o755 });
  mkdirSync(own, { recursive: true, mode: 0o750 });
  chownSync(own, 0, uid);
  return { dir: own, binary: reachable(binary, own), owner: { uid, gid: uid } };
}

/** In our folder: what is in root's home can be run by root alone. */
function reachable(binary: string, dir: string): string {
  const copy = `${dir}/nats-server`;
  const { size, mtimeMs } = statSync(binary);
  const known = statSync(copy, { throwIfNoEntry: false });
  if (known?.size === size && known.mtimeMs >= mtimeMs) return copy;
  copyFileSync(binary, `${copy}.next`);
  renameSync(`${copy}.next`, copy);
  return copy;
}
