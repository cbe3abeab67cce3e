// Our ends of tunnels: sockets in a folder of this home, each with a name that was never used.
//
// A tunnel that ends takes its socket away, perhaps a while later: the next one is another.

import { rmSync } from "node:fs";
import { makeFolders } from "../../runtime/folders-os.ts";

let sockets = 0;

export function freshSocket(dir: string, cluster: string): string {
  makeFolders(dir, 0o700);
  sockets += 1;
  return `${dir}/${cluster}.${process.pid}.${sockets}`;
}

/** Those of a process that was killed. Nobody else has this home open. */
export function sweepSockets(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}
