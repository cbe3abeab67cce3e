// `resources:` of a task as the wishes that it makes: one, or several of which one is taken.
//
// Fields of `resources:` hold for every wish; an item of `any_of` or `ordered` says what it has
// in their place. What fields say of each other is checked for each wish, once it is whole.
// Source: SkyPilot 0.3.0 for the rules and their words, newer versions for choices.

import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import type { Tree } from "../model/value-tree.ts";
import type { Wanted } from "../model/wanted.ts";
import { type AcceleratorChoice, wishText } from "./task-accelerator.ts";
import type { Candidate, Candidates, Origin, WishKey } from "./task-candidate.ts";
import type { Said } from "./task-groups.ts";
import { fieldsOf, listOf } from "./task-groups.ts";
import { wishFields } from "./task-resource-fields.ts";
import type { AutostopSaid } from "./task-resource-kinds.ts";
import { checkWishes } from "./task-resource-rules.ts";

const wish = fieldsOf({ of: "resources", fields: wishFields });

/** What the schema names once and uses often. */
export const definitions = { wish: wish.schema };

const item = { ...wish, schema: { $ref: "#/definitions/wish" } };
const items = listOf(item, 1);

export const resourceFields = {
  ...wishFields,
  any_of: {
    kind: items,
    about: "Wishes of which any is fine: the first that an enabled cloud can do is taken.",
    example: "any_of: [{infra: aws}, {infra: local}]",
  },
  ordered: {
    kind: items,
    about: "Wishes of which the first that can be had is taken. Not beside `any_of`.",
    example: "ordered: [{accelerators: H100}, {accelerators: A100}]",
  },
  candidates: {
    kind: listOf(item),
    about: "For `sky bench` of SkyPilot: checked, and without effect here.",
    example: "candidates: [{cpus: 4}, {cpus: 8}]",
  },
} as const;

export const resources = fieldsOf({ of: "resources", fields: resourceFields });

export type ResourcesSaid = Said<typeof resourceFields>;

/** Nothing said: any machine will do. */
export function noResources(tree: Tree): ResourcesSaid {
  return { place: tree.place, values: {}, trees: new Map() };
}

/** The wishes; they are whole only if nothing went to `found`. */
export function candidatesOf(said: ResourcesSaid, numNodes: number, found: Findings): Candidates {
  const { any_of: anyOf = [], ordered = [], candidates } = said.values;
  const base = wishOf(said, found);
  const over = [...anyOf, ...ordered].map(({ value }) => wishOf(value, found));
  checkChoice(said, found);
  const whole = over.length === 0 ? [base] : over.map((wish) => merged(base, wish));
  const of = whole.flatMap(expanded);
  checkWishes(of, numNodes, found);
  const benched = said.trees.get("candidates");
  if (candidates !== undefined && benched !== undefined) {
    const what = "candidates has no effect here: it is for `sky bench`";
    found.notes.push({ place: benched.place, what });
  }
  return { kind: kindOf(said, of.length), of };
}

function kindOf({ values }: ResourcesSaid, count: number): Candidates["kind"] {
  if (values.ordered !== undefined) return "ordered";
  if (values.any_of !== undefined) return "any-of";
  if (count < 2) return "one";
  return (values.accelerators ?? values.gpus)?.kind ?? "one";
}

type WishValues = Omit<Wanted, "accelerators"> & {
  readonly accelerators?: AcceleratorChoice;
  readonly autostop?: AutostopSaid;
  readonly priority?: number;
};

/** A mapping's fields, with `infra` taken apart and `gpus` by its other name. */
interface Wish {
  readonly values: WishValues;
  readonly origins: ReadonlyMap<WishKey, Origin>;
}

type WishSaid = Said<typeof wishFields>;

function wishOf({ values, trees }: WishSaid | ResourcesSaid, found: Findings): Wish {
  checkTwice({ values, trees } as WishSaid, found);
  const { infra, gpus, labels, ...others } = wishValues(values);
  const origins = new Map<WishKey, Origin>();
  for (const [key, tree] of trees) {
    if (key === "infra") for (const part of location) origins.set(part, { key, tree });
    else if (key === "gpus") origins.set("accelerators", { key, tree });
    else if (isWishKey(key)) origins.set(key, { key, tree });
  }
  const wish: WishValues = {
    ...others,
    ...infra,
    ...(gpus === undefined ? {} : { accelerators: gpus }),
    ...(labels === undefined
      ? {}
      : { labels: Object.fromEntries(labels.map(({ name, value }) => [name, value])) }),
  };
  return { values: wish, origins };
}

const location = ["cloud", "region", "zone"] as const;

function wishValues(values: (WishSaid | ResourcesSaid)["values"]): WishSaid["values"] {
  const known = Object.entries(values).filter(([key]) => Object.hasOwn(wishFields, key));
  return Object.fromEntries(known) as WishSaid["values"];
}

function isWishKey(key: string): key is WishKey {
  return Object.hasOwn(wishFields, key);
}

/** What one mapping may not say twice. */
function checkTwice({ trees }: WishSaid, found: Findings): void {
  const other = location.map((key) => [key, trees.get(key)] as const).find(([, tree]) => tree);
  if (trees.has("infra") && other?.[1] !== undefined) {
    const what = "Cannot specify both `infra` and `cloud`, `region`, or `zone`";
    refuse(found, other[1].place, `${what}: ${other[0]} stands beside infra`);
  }
  const gpus = trees.get("gpus");
  if (gpus !== undefined && trees.has("accelerators")) {
    refuse(found, gpus.place, "Cannot specify both gpus and accelerators: they are the same");
  }
}

/** What `resources:` may not say beside a choice. */
function checkChoice({ values, trees }: ResourcesSaid, found: Findings): void {
  const ordered = trees.get("ordered");
  if (trees.has("any_of") && ordered !== undefined) {
    const what = 'Cannot specify both "any_of" and "ordered" in resources';
    refuse(found, ordered.place, what);
  }
  const choice = values.accelerators ?? values.gpus;
  const written = trees.get("accelerators") ?? trees.get("gpus");
  if (choice === undefined || written === undefined || choice.of.length < 2) return;
  if (ordered !== undefined) {
    const what = 'Cannot specify multiple "accelerators" with "ordered" in resources';
    refuse(found, written.place, `${what}: ${namesOf(choice)}`);
  } else if (trees.has("any_of") && choice.kind === "ordered") {
    const what = 'Cannot specify a list of "accelerators" with "any_of" in resources';
    refuse(found, written.place, `${what}: ${namesOf(choice)}`);
  }
}

function namesOf({ of }: AcceleratorChoice): string {
  return of.map(wishText).join(", ");
}

/** `over` in place of `base`, field by field; labels of both. */
function merged(base: Wish, over: Wish): Wish {
  const elsewhere = over.origins.get("cloud")?.key === "infra";
  const { cloud, region, zone, ...rest } = base.values;
  const kept = elsewhere ? rest : base.values;
  const labels = { ...base.values.labels, ...over.values.labels };
  return {
    values: {
      ...kept,
      ...over.values,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    },
    origins: new Map([...base.origins, ...over.origins]),
  };
}

/** One candidate for each accelerator of a choice. */
function expanded({ values, origins }: Wish): readonly Candidate[] {
  const { accelerators, autostop, priority, ...others } = values;
  const once = {
    origins,
    ...(autostop === undefined ? {} : { autostop }),
    ...(priority === undefined ? {} : { priority }),
  };
  const wishes = accelerators?.of ?? [];
  if (wishes.length === 0) return [{ ...once, wanted: others }];
  return wishes.map((wish) => ({ ...once, wanted: { ...others, accelerators: wish } }));
}
