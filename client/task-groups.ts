// Kinds of fields that hold others: lists, mappings of names to values, and tables of fields.
//
// Each reads all of what it holds, whatever is wrong with a part: one run tells every problem.

import type { Findings } from "../model/field-values.ts";
import { entriesOf, refuse, unknownField } from "../model/field-values.ts";
import type { Place } from "../model/problem.ts";
import type { Tree } from "../model/value-tree.ts";
import { isNull, shown } from "../model/value-tree.ts";
import type { Field, Kind, Schema } from "./task-kinds.ts";

export type Fields = Readonly<Record<string, Field<unknown>>>;

type ValueOf<F> = F extends Field<infer T> ? T : never;

export type Values<F extends Fields> = { readonly [K in keyof F]?: ValueOf<F[K]> };

/** What a mapping said, and where it said it. */
export interface Said<F extends Fields> {
  readonly place: Place;
  readonly values: Values<F>;
  /** What stands there for each field that was given, refused or not. */
  readonly trees: ReadonlyMap<keyof F, Tree>;
}

export interface Table<F extends Fields> {
  /** As in "is no field of …". */
  readonly of: string;
  readonly fields: F;
  /** Fields that must be there. */
  readonly needs?: readonly (keyof F & string)[];
  /** Others are taken, and not looked at. */
  readonly isOpen?: boolean;
}

/** Reads every field that is given; a key that the table does not know is a problem. */
export function readTable<F extends Fields>(tree: Tree, table: Table<F>, found: Findings): Said<F> {
  const values: [string, unknown][] = [];
  const trees = new Map<keyof F, Tree>();
  for (const entry of entriesOf(tree, table.of, found)) {
    const field = Object.hasOwn(table.fields, entry.key) ? table.fields[entry.key] : undefined;
    if (field === undefined && table.isOpen === true) continue;
    if (field === undefined) {
      unknownField(entry, { of: table.of, known: Object.keys(table.fields) }, found);
      continue;
    }
    const value = field.kind.read(entry.value, entry.key, found);
    if (!isNull(entry.value)) trees.set(entry.key, entry.value);
    if (value !== undefined) values.push([entry.key, value]);
  }
  for (const name of table.needs ?? []) {
    const given = trees.has(name) || tree.kind !== "map";
    if (!given) refuse(found, tree.place, `${table.of} needs ${name}`);
  }
  return { place: tree.place, values: Object.fromEntries(values) as Values<F>, trees };
}

/** A mapping with the fields of a table. */
export function fieldsOf<F extends Fields>(table: Table<F>): Kind<Said<F>> {
  const properties = Object.entries(table.fields).map(([name, { kind, about }]) => {
    return [name, { description: about, ...orNull(kind.schema) }] as const;
  });
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(properties),
      additionalProperties: table.isOpen === true,
      ...(table.needs === undefined ? {} : { required: table.needs }),
    },
    called: "a mapping",
    read: (tree, name, found) => {
      if (isNull(tree)) return undefined;
      if (tree.kind === "map") return readTable(tree, table, found);
      return refuse(found, tree.place, `${name} should be a mapping, not ${shown(tree)}`);
    },
  };
}

/** An explicit null means "not given" everywhere. */
export function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: "null" }] };
}

export interface Item<T> {
  readonly value: T;
  readonly place: Place;
}

export function listOf<T>(of: Kind<T>, least = 0): Kind<readonly Item<T>[]> {
  return {
    schema: { type: "array", items: of.schema, minItems: least },
    called: `a list, each item ${of.called}`,
    read: (tree, name, found) => {
      if (isNull(tree)) return undefined;
      if (tree.kind !== "list") {
        return refuse(found, tree.place, `${name} should be a list, not ${shown(tree)}`);
      }
      if (tree.items.length < least) {
        return refuse(found, tree.place, `${name} should have at least ${least} item`);
      }
      return tree.items.flatMap((item, index) => {
        const value = readItem(item, `${name}[${index}]`, { of, found });
        return value === undefined ? [] : [{ value, place: item.place }];
      });
    },
  };
}

/** In a list a null is no value that is missing, but one too many. */
function readItem<T>(
  tree: Tree,
  name: string,
  { of, found }: { readonly of: Kind<T>; readonly found: Findings },
): T | undefined {
  if (!isNull(tree)) return of.read(tree, name, found);
  return refuse(found, tree.place, `${name} should be ${of.called}, not nothing`);
}

export interface Named<T> {
  readonly name: string;
  readonly namePlace: Place;
  readonly value: T;
  readonly place: Place;
}

/** Any names, one kind of values, in the order of the file. */
export function mappingOf<T>(
  of: Kind<T>,
  rule: { readonly most?: number; readonly called?: string } = {},
): Kind<readonly Named<T>[]> {
  const { most = Number.POSITIVE_INFINITY, called = "a mapping" } = rule;
  return {
    schema: {
      type: "object",
      additionalProperties: of.schema,
      ...(Number.isFinite(most) ? { maxProperties: most } : {}),
    },
    called,
    read: (tree, name, found) => {
      if (isNull(tree)) return undefined;
      if (tree.kind !== "map") {
        return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
      }
      const extra = tree.entries[most];
      if (extra !== undefined) {
        const rest = most === 1 ? "one entry" : `${most} entries`;
        refuse(found, extra.keyPlace, `${name} should have at most ${rest}`);
      }
      return tree.entries.flatMap((entry) => {
        const value = readItem(entry.value, `${name}.${entry.key}`, { of, found });
        const { key, keyPlace, value: at } = entry;
        return value === undefined
          ? []
          : [{ name: key, namePlace: keyPlace, value, place: at.place }];
      });
    },
  };
}

/** Different forms of one field: the form of what is there says which kind reads it. */
export function byForm<T>(
  forms: {
    readonly scalar?: Kind<T>;
    readonly list?: Kind<T>;
    readonly map?: Kind<T>;
  },
  called: string,
): Kind<T> {
  const kinds = [forms.scalar, forms.list, forms.map].filter((kind) => kind !== undefined);
  return {
    schema: { anyOf: kinds.map(({ schema }) => schema) },
    called,
    read: (tree, name, found) => {
      if (isNull(tree)) return undefined;
      const kind = forms[tree.kind];
      if (kind !== undefined) return kind.read(tree, name, found);
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

/** A kind whose value is made into another. `undefined` from `to` means that it refused. */
export function made<A, B>(
  kind: Kind<A>,
  to: (
    value: A,
    at: { readonly place: Place; readonly name: string; readonly found: Findings },
  ) => B | undefined,
): Kind<B> {
  return {
    schema: kind.schema,
    called: kind.called,
    read: (tree, name, found) => {
      const value = kind.read(tree, name, found);
      return value === undefined ? undefined : to(value, { place: tree.place, name, found });
    },
  };
}

/** A mapping that nobody here looks into. */
export const anyMapping: Kind<Tree> = {
  schema: { type: "object" },
  called: "a mapping",
  read: (tree, name, found) => {
    if (isNull(tree) || tree.kind === "map") return isNull(tree) ? undefined : tree;
    return refuse(found, tree.place, `${name} should be a mapping, not ${shown(tree)}`);
  },
};

/** Anything at all. */
export const anything: Kind<Tree> = {
  schema: {},
  called: "anything",
  read: (tree) => (isNull(tree) ? undefined : tree),
};
