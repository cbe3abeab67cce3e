// Accelerators as users write them: `V100`, `V100:4`, `V100:0.5`, `{V100: 1}`, and choices of them:
// a list takes the first that can be had, a mapping of several takes any.
//
// Names are case-insensitive and come out in the catalog's spelling where it is a common one; an
// unknown name passes through, because a local cluster declares what it likes.
// Source: SkyPilot's canonical names, its `--gpus` forms and its forms by memory (`80GB+:2`).

import type { Findings } from "../model/field-values.ts";
import { isAmbiguous, refuse } from "../model/field-values.ts";
import type { Place } from "../model/problem.ts";
import { hintText } from "../model/suggest.ts";
import type { Entry, Tree } from "../model/value-tree.ts";
import { isNull, shown } from "../model/value-tree.ts";
import type { AcceleratorWish } from "../model/wanted.ts";
import { byForm, listOf, made } from "./task-groups.ts";
import type { Kind } from "./task-kinds.ts";

const common = [
  ...["A10", "A10G", "A100", "A100-80GB", "B200", "B300", "GB200", "GH200", "H100", "H100-MEGA"],
  ...["H100-SXM", "H200", "K80", "L4", "L40", "L40S", "M4000", "M60", "MI300X", "P4", "P100"],
  ...["P4000", "RTX3090", "RTX4090", "RTX5090", "RTX6000", "RTX6000-Ada", "RTXA4000", "RTXA5000"],
  ...["RTXA6000", "T4", "T4g", "V100", "V100-32GB", "Gaudi", "Inferentia", "Inferentia2"],
  ...["Trainium", "Trainium2", "Radeon MI25"],
];

const canonical = new Map(common.map((name) => [name.toLowerCase(), name]));

const namePattern = /^(?![0-9.]+\s*(:|$))[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$/;
const countPattern = /^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/;
const byMemoryPattern = /^(([A-Za-z]+):)?([0-9]+)([GgMmTt])[Bb](\+?)(:([0-9]+))?$/;
const writtenPattern = `^(${[
  `${inner(namePattern)}\\s*(:\\s*${inner(countPattern)})?`,
  inner(byMemoryPattern),
].join("|")})\\s*$`;

/** Several are a choice. */
export interface AcceleratorChoice {
  readonly kind: "any-of" | "ordered";
  readonly of: readonly AcceleratorWish[];
}

type Reading =
  | { readonly ok: true; readonly wish: AcceleratorWish }
  | { readonly ok: false; readonly what: string };

/** `NAME`, `NAME:COUNT`, or a size of memory for a name. */
export function parseAccelerators(text: string): Reading {
  const byMemory = byMemoryPattern.exec(text.trim());
  if (byMemory !== null) return wishByMemory(byMemory);
  const colon = text.indexOf(":");
  const name = (colon < 0 ? text : text.slice(0, colon)).trim();
  const count = colon < 0 ? "1" : text.slice(colon + 1).trim();
  return acceleratorsOf(name, count);
}

function wishByMemory([
  ,
  ,
  maker,
  size = "",
  unit = "",
  plus,
  ,
  count = "1",
]: RegExpExecArray): Reading {
  const factor = { m: 1 / 1_024, g: 1, t: 1_024 }[unit.toLowerCase()] ?? 1;
  const memoryGb = { amount: Number(size) * factor, orMore: plus === "+" };
  const wish = { kind: "by-memory", memoryGb, count: Number(count) } as const;
  const made = maker === undefined ? {} : { maker: maker.toLowerCase() };
  return { ok: true, wish: { ...wish, ...made } };
}

/** The two halves of `{NAME: COUNT}`; the count as it was written. */
export function acceleratorsOf(name: string, count: string): Reading {
  if (/^[0-9.]+$/.test(name)) {
    return refused(`"${name}" is a number alone: write it with a name, as in V100:${name}`);
  }
  if (!namePattern.test(name)) {
    return refused(`${JSON.stringify(name)} is no accelerator name; write it as V100:1`);
  }
  const amount = countPattern.test(count) ? Number(count) : Number.NaN;
  if (Number.isNaN(amount) || amount <= 0) {
    const asked = `${name}:${count}`;
    return refused(`the count in "${asked}" should be a positive number, as in ${name}:1`);
  }
  if (amount > 1 && !Number.isInteger(amount)) {
    const rounded = Math.ceil(amount);
    return refused(`${name}:${count} should be a whole number above 1, as in ${name}:${rounded}`);
  }
  return { ok: true, wish: { kind: "named", name: canonicalName(name), count: amount } };
}

/** The common spelling of a name, or the name itself. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith("tpu-") ? lower : (canonical.get(lower) ?? name);
}

/** Said beside a name that is not a common one but close to one: ` Did you mean 'A100'?`. */
export function nameHint(name: string): string {
  const isKnown = canonical.has(name.toLowerCase()) || isTpu(name);
  return isKnown ? "" : hintText(name, common);
}

/** Source: SkyPilot takes every name with `tpu` in it for one. */
export function isTpu(name: string): boolean {
  return name.toLowerCase().includes("tpu");
}

/** As it is written: `V100:4`. */
export function wishText(wish: AcceleratorWish): string {
  if (wish.kind === "named") return `${wish.name}:${wish.count}`;
  const maker = wish.maker === undefined ? "" : `${wish.maker}:`;
  return `${maker}${wish.memoryGb.amount}GB${wish.memoryGb.orMore ? "+" : ""}:${wish.count}`;
}

const right = "a name such as V100, V100:1 or {V100: 1}";

const written: Kind<AcceleratorWish> = {
  schema: { type: "string", pattern: writtenPattern },
  called: right,
  read: (tree, name, found) => {
    if (tree.kind === "scalar" && typeof tree.value === "string") {
      return taken(parseAccelerators(tree.value), tree.place, found);
    }
    return refuse(found, tree.place, `${name} should be ${right}, not ${shown(tree)}`);
  },
};

const counted: Kind<readonly AcceleratorWish[]> = {
  schema: {
    type: "object",
    additionalProperties: { type: ["number", "string", "null"] },
  },
  called: right,
  read: (tree, _name, found) => {
    if (tree.kind !== "map") return undefined;
    return tree.entries.flatMap((entry) => readCounted(entry, found) ?? []);
  },
};

function readCounted({ key, keyPlace, value }: Entry, found: Findings) {
  if (isNull(value)) return taken(parseAccelerators(key), keyPlace, found);
  if (isAmbiguous(value, key, found)) return undefined;
  return taken(acceleratorsOf(key, countText(value)), value.place, found);
}

function countText(tree: Tree): string {
  return tree.kind === "scalar" ? tree.text : shown(tree);
}

/** `- V100:1`, or `- V100: 1`. */
const item: Kind<readonly AcceleratorWish[]> = byForm<readonly AcceleratorWish[]>(
  { scalar: made(written, (wish) => [wish]), map: counted },
  right,
);

export const accelerators: Kind<AcceleratorChoice> = byForm<AcceleratorChoice>(
  {
    scalar: made(written, (wish) => ({ kind: "any-of", of: [wish] })),
    list: made(listOf(item), (items) => {
      return { kind: "ordered", of: items.flatMap(({ value }) => value) };
    }),
    map: made(counted, (of) => ({ kind: "any-of", of })),
  },
  right,
);

function taken(reading: Reading, place: Place, found: Findings): AcceleratorWish | undefined {
  if (reading.ok) return reading.wish;
  return refuse(found, place, reading.what);
}

function refused(what: string): Reading {
  return { ok: false, what };
}

function inner(pattern: RegExp): string {
  return pattern.source.slice(1, -1);
}
