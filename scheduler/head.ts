// One cluster's head, as the API sees it. `heads-os.ts` makes them.

import type { Ref } from "../model/address.ts";
import type { Node } from "../model/node.ts";
import type { ActorSystem } from "../runtime/system-actor.ts";
import type { Board } from "./board.ts";
import type { LogStore } from "./log-store-os.ts";
import type { SchedulerMessage } from "./messages.ts";
import type { RetentionKeeper } from "./retention-actor.ts";
import type { Workdirs } from "./workdirs-os.ts";

export interface Head {
  readonly cluster: string;
  readonly system: ActorSystem;
  readonly scheduler: Ref<SchedulerMessage>;
  readonly board: Board;
  readonly logs: LogStore;
  readonly workdirs: Workdirs;
  readonly retention: RetentionKeeper;
  /** A submit is under way: autostop waits until the function that this gives is called. */
  holdSubmit(): () => void;
  /** A transfer uses a node: autostop waits until the function that this gives is called. */
  holdTransfer(): () => void;
  declare(nodes: readonly Node[]): void;
  /** These nodes are gone on purpose: their silence is no loss. */
  dismiss(nodes: readonly string[]): void;
  close(reason: string): Promise<void>;
}
