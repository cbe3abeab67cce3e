// What a transfer that failed had kept for another try: uploads, partial files, its folder.

import { errorText, SkyError } from "../../model/errors.ts";
import type { TransferState } from "../../transfer/job/transfer-machine.ts";
import type { RunPorts } from "./run-ports.ts";
import { folderOfTransfer, removeFolder } from "./transfer-folders-os.ts";
import { TransferRun } from "./transfer-run-os.ts";

export type Ended = Extract<TransferState, { readonly phase: "ended" }>;

export interface LeftoversOptions extends RunPorts {
  readonly dir: string;
}

/** There is no other try. @throws SkyError `transfer/failed`: what stands in the way. */
export async function letGo(options: LeftoversOptions, { facts, end }: Ended): Promise<void> {
  if (end.leave !== "keep") return;
  const hooks = { onPlan: () => {}, onEvent: () => {}, onCounts: () => {} };
  const folder = folderOfTransfer(options.dir, facts.key);
  const run = new TransferRun({ ports: options, hooks, folder, env: {} }, facts);
  try {
    const wrong = await run.clear(facts, { ...end, leave: "remove" });
    if (wrong.length === 0) return;
    throw new SkyError("transfer/failed", { id: facts.id, why: wrong.join("; ") });
  } finally {
    await run.close();
  }
}

/** It is forgotten: its folder goes, too. What stands in the way is in the log. */
export async function letGoForEver(options: LeftoversOptions, state: TransferState): Promise<void> {
  const { dir, log } = options;
  try {
    if (state.phase === "ended") await letGo(options, state);
  } catch (error) {
    log.warn("something of a transfer is left", { why: errorText(error) });
  }
  await removeFolder(dir, state.facts.key, log);
}
