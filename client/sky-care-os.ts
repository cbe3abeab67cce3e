// The doctor and the bundle of a bug report, as calls of the SDK.
//
// Both work without a head, and load what they need when they are asked for.

import { given } from "../proto/fields.ts";
import { givenCluster } from "./cluster-name.ts";
import type { Diagnosis } from "./doctor.ts";
import type { CallOptions } from "./sky-options.ts";
import type { Session } from "./sky-session-os.ts";

export async function diagnosed(
  { home, until }: Session,
  cluster: string | undefined,
  options: CallOptions,
): Promise<Diagnosis> {
  const named = cluster === undefined ? {} : { cluster: givenCluster(cluster) };
  const [{ runningHead }, { diagnose }] = await Promise.all([
    import("./doctor-head-os.ts"),
    import("./doctor-os.ts"),
  ]);
  const head = await runningHead(home);
  try {
    return await diagnose({ home, head, signal: until(options), ...named });
  } finally {
    head?.close();
  }
}

export interface BundleOptions extends CallOptions {
  /** Only of this cluster. Default: all. */
  readonly cluster?: string;
  /** Its path. Default: a new name in the current folder. */
  readonly to?: string;
}

export async function bundled({ home, until }: Session, options: BundleOptions): Promise<string> {
  const { cluster, to } = options;
  const named = cluster === undefined ? {} : { cluster: givenCluster(cluster) };
  const { exportBundle } = await import("./debug-bundle-os.ts");
  return exportBundle({
    ...{ home, nowMs: Date.now(), signal: until(options) },
    ...named,
    ...given("to", to),
  });
}
