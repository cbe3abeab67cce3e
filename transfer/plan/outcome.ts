// What came of planning: a plan, or why there is none.

import { isSkyError, type SkyError } from "../../model/errors.ts";
import type { Plan } from "../../model/transfer-plan.ts";

export type Outcome =
  | { readonly plan: Plan; readonly refusal?: undefined }
  | { readonly plan?: undefined; readonly refusal: SkyError };

/** Only `plan/infeasible` is an outcome; anything else is thrown on. */
export async function outcomeOf(planning: Promise<Plan>): Promise<Outcome> {
  try {
    return { plan: await planning };
  } catch (refusal) {
    return refusalOf(refusal);
  }
}

export function outcomeNow(make: () => Plan): Outcome {
  try {
    return { plan: make() };
  } catch (refusal) {
    return refusalOf(refusal);
  }
}

function refusalOf(refusal: unknown): Outcome {
  if (!isSkyError(refusal, "plan/infeasible")) throw refusal;
  return { refusal };
}
