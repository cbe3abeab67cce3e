// The bus of the process lane, as the lane sees it: a nats-server of the head's own, or one that it
// was given.

import type { Bus } from "../../runtime/bus.ts";
import type { BusUsers } from "../../runtime/nats-config.ts";
import type { JoinDeskOptions } from "../../scheduler/join-grpc.ts";

export interface HeadBus {
  /** Who may connect; of no effect where that is somebody else's business. */
  readonly users: BusUsers;
  /** Where nodes find it. */
  url(): string;
  /** What nodes sign in with, where it is not their own key. */
  readonly access?: NonNullable<JoinDeskOptions["busAccess"]>;
  /** The head's own end of the bus of one cluster. The caller closes it. */
  connect(cluster: string): Promise<Bus>;
  inspect(): Readonly<Record<string, unknown>>;
  /** After the last node has ended. */
  close(): Promise<void>;
}

export const headConnectMs = 20_000;
