// Accelerators as users write them: `V100`, `V100:4`, `V100:0.5`, `{V100: 1}`.
//
// Names are case-insensitive and come out in the catalog's spelling where it is a common one; an
// unknown name passes through, because a local cluster declares what it likes.
// Source: SkyPilot's canonical names and `--gpus` forms.

import type { Accelerators } from "../model/resources.ts";

const common = [
  ...["A10", "A10G", "A100", "A100-80GB", "B200", "B300", "GB200", "GH200", "H100", "H100-MEGA"],
  ...["H100-SXM", "H200", "K80", "L4", "L40", "L40S", "M4000", "M60", "MI300X", "P4", "P100"],
  ...["P4000", "RTX3090", "RTX4090", "RTX5090", "RTX6000", "RTX6000-Ada", "RTXA4000", "RTXA5000"],
  ...["RTXA6000", "T4", "T4g", "V100", "V100-32GB", "Gaudi", "Inferentia", "Inferentia2"],
  ...["Trainium", "Trainium2", "Radeon MI25"],
];

const canonical = new Map(common.map((name) => [name.toLowerCase(), name]));

export type AcceleratorReading =
  | { readonly ok: true; readonly accelerators: Accelerators }
  | { readonly ok: false; readonly what: string };

/** `NAME` or `NAME:COUNT`. */
export function parseAccelerators(text: string): AcceleratorReading {
  const colon = text.indexOf(":");
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  const count = colon < 0 ? "1" : text.slice(colon + 1).trim();
  return acceleratorsOf(name, count);
}

/** The two halves of `{NAME: COUNT}`; the count as it was written. */
export function acceleratorsOf(name: string, count: string): AcceleratorReading {
  if (!/^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$/.test(name)) {
    return refused(`${JSON.stringify(name)} is no accelerator name; write it as V100:1`);
  }
  const amount = /^\d+(\.\d*)?$|^\.\d+$/.test(count) ? Number(count) : Number.NaN;
  if (Number.isNaN(amount) || amount <= 0) {
    const asked = `${name}:${count}`;
    return refused(`the count in "${asked}" should be a positive number, as in ${name}:1`);
  }
  if (amount > 1 && !Number.isInteger(amount)) {
    const whole = Math.ceil(amount);
    return refused(`${name}:${count} should be a whole number above 1, as in ${name}:${whole}`);
  }
  return { ok: true, accelerators: { name: canonicalName(name), count: amount } };
}

/** The common spelling of a name, or the name itself. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith("tpu-") ? lower : (canonical.get(lower) ?? name);
}

function refused(what: string): AcceleratorReading {
  return { ok: false, what };
}
