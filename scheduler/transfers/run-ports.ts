// What a transfer at work needs of the world, and whom it tells.

import type { TransferEvent, TransferOptions } from "../../model/transfer.ts";
import type { Grid, Plan, PlanRequest, Prices } from "../../model/transfer-plan.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { GatewayDoors } from "../../transfer/gateway/doors.ts";
import type { StoresPort } from "./stores.ts";

export interface RunPorts {
  readonly doors: GatewayDoors;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stores: StoresPort;
  /** Of this process: where credentials are looked for, below what a caller passes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `isUsual`: the user named no solver. @throws SkyError `plan/infeasible`. */
  plan(request: PlanRequest, isUsual: boolean): Promise<Plan>;
  /** What is known of links: measured ones, and a user's own grid before them. */
  grid(options: TransferOptions): Promise<Grid>;
  readonly prices: Prices;
}

export interface RunHooks {
  /** The gateways are about to begin. */
  readonly onPlan: (plan: Plan) => void;
  /** An object is done or failed; a round begins. */
  readonly onEvent: (event: TransferEvent) => void;
  /** Counts have changed. */
  readonly onCounts: () => void;
}
