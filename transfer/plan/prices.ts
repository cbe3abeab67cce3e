// What providers take for bytes that leave a region: published list prices as rules.
//
// The sender's provider has the rule; what arrives is free everywhere. A machine of the user's own
// and a store that takes nothing for egress (R2, IBM) cost nothing. Free allowances of an account
// (100 GB a month or so) are left out, and so are discounts: an estimate is rather too high.
//
// Sources: the providers' price lists, first tiers as collected by Skyplane 0.3.2 (2022), tiers
// as published by the providers (AWS "EC2 on-demand pricing", Azure "Bandwidth pricing", Google
// "Network pricing", 2024).

import type { Prices, Site } from "../../model/transfer-plan.ts";
import { awsPrice } from "./aws-prices.ts";
import { azurePrice } from "./azure-prices.ts";
import { gcpPrice } from "./gcp-prices.ts";

export interface PriceOptions {
  /** Of Google's gateways. */
  readonly gcpTier?: "premium" | "standard";
}

/** A region with its provider apart. */
export interface Place {
  readonly provider: string;
  readonly region: string;
}

export function listPrices({ gcpTier = "premium" }: PriceOptions = {}): Prices {
  return {
    perGb: (from, to, gbBefore) => {
      const [source, target] = [placeOf(from), placeOf(to)];
      if (from.region === to.region) return 0;
      if (source.provider === "aws") return awsPrice(source, target, gbBefore);
      if (source.provider === "azure") return azurePrice(source, target, gbBefore);
      if (source.provider === "gcp") return gcpPrice(source, target, { gbBefore, tier: gcpTier });
      return 0;
    },
  };
}

function placeOf({ region }: Site): Place {
  const colon = region.indexOf(":");
  if (colon < 0) return { provider: region, region: "" };
  return { provider: region.slice(0, colon), region: region.slice(colon + 1) };
}
