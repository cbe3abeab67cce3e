// The port through which the local cloud starts the agents of its nodes. `bin/` provides it: in
// this process, or as processes of their own.

import type { NodeHome } from "../model/home.ts";
import type { Capacity } from "../model/resources.ts";

export interface NodeStarter {
  /**
   * Starts the agent of a node whose folders exist. Resolves when it runs; it need not have
   * reached the head yet. Ranks of an earlier agent in the same folder run on and are taken over.
   * @throws SkyError `process/failed` and the like; the local cloud tries again later.
   */
  start(node: LocalNode, signal: AbortSignal): Promise<RunningNode>;
}

export interface LocalNode {
  readonly cluster: string;
  readonly id: string;
  readonly index: number;
  readonly ip: string;
  readonly capacity: Capacity;
  readonly home: NodeHome;
}

export interface RunningNode {
  /** Resolves, with a sentence, when the agent ended, for whatever reason. Never rejects. */
  readonly ended: Promise<string>;
  /** Ends the agent. Its ranks run on. Resolves when it is gone. */
  close(): Promise<void>;
}
