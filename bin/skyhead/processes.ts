// The process lane: skylets of their own, over a nats-server and TLS.

import { SkyError } from "../../model/errors.ts";
import type { Lane } from "./lane.ts";
import type { LanesOptions } from "./lanes.ts";

export async function openProcessLane(_options: LanesOptions): Promise<Lane> {
  throw new SkyError("request/invalid", { field: "isolation", why: "process is not there yet" });
}
