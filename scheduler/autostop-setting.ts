// Autostop as the API says it: seconds, negative to cancel. Pure.

import { SkyError } from "../model/errors.ts";
import type { AutostopSetting } from "./messages.ts";

/** @throws SkyError `request/invalid` if the time is no number. */
export function autostopSetting(request: {
  readonly idleSeconds: number;
  readonly down: boolean;
}): AutostopSetting | undefined {
  const { idleSeconds, down } = request;
  if (!Number.isFinite(idleSeconds)) {
    throw new SkyError("request/invalid", { field: "idle_seconds", why: "it is no number" });
  }
  if (idleSeconds < 0) return undefined;
  return { idleMs: Math.round(idleSeconds * 1_000), verb: down ? "down" : "stop" };
}

/** The same, to another head. */
export function autostopRequest(cluster: string, setting: AutostopSetting | undefined) {
  if (setting === undefined) return { cluster, idleSeconds: -1, down: false };
  return { cluster, idleSeconds: setting.idleMs / 1_000, down: setting.verb === "down" };
}
