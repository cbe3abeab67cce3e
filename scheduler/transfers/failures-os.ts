// Objects of a transfer that did not arrive, as its ledger has them: also long after its end.

import { existsSync } from "node:fs";
import type { ObjectFailure } from "../../model/transfer.ts";
import type { Ledger } from "../../transfer/job/ledger.ts";
import type { TransferFacts } from "../../transfer/job/transfer-machine.ts";
import { foundIn, isSingleIn } from "./ground-os.ts";
import { openLedger } from "./ledger-sqlite.ts";
import { failureText } from "./texts.ts";
import type { FailurePage } from "./transfers.ts";

/** Those on record in a ledger, also of a transfer that has ended. */
export function failuresOf(
  ledger: Ledger,
  { order }: TransferFacts,
  { after, countMax }: FailurePage,
): readonly ObjectFailure[] {
  const known = { order, ends: foundIn(ledger)?.ends, isSingle: isSingleIn(ledger) };
  return ledger.failures(after, countMax).map((failure) => failureText(known, failure));
}

/** Of a transfer that nobody is at work with. */
export function failuresIn(
  folder: string,
  facts: TransferFacts,
  page: FailurePage,
): readonly ObjectFailure[] {
  if (!existsSync(ledgerIn(folder))) return [];
  const ledger = openLedger(ledgerIn(folder));
  try {
    return failuresOf(ledger, facts, page);
  } finally {
    ledger.close();
  }
}

export function ledgerIn(folder: string): string {
  return `${folder}/ledger.db`;
}
