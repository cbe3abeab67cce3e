// `envs:` and `secrets:`: names checked, values as they were written, order kept.
//
// A variable without a value is one that a flag must give; by the time it is read here the flags
// are laid over the file. Secrets may be a list of names that a server of SkyPilot keeps.

import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import { envNamePattern, envNameProblem } from "../model/ids.ts";
import type { Tree } from "../model/value-tree.ts";
import { isNull, shown } from "../model/value-tree.ts";
import { byForm, listOf, made } from "./task-groups.ts";
import type { Kind } from "./task-kinds.ts";
import { text } from "./task-kinds.ts";

export type Variables = Readonly<Record<string, string>>;

/** What registries of containers ask for, all or none. Source: SkyPilot. */
const dockerNames = [
  ...["SKYPILOT_DOCKER_USERNAME", "SKYPILOT_DOCKER_PASSWORD", "SKYPILOT_DOCKER_SERVER"],
];

const schema = {
  type: "object",
  propertyNames: { pattern: envNamePattern.source },
  additionalProperties: { type: ["string", "number", "boolean", "null"] },
};

export const envs: Kind<Variables> = variables("--env");

const keptElsewhere = made(listOf(text), (items, { place, found }) => {
  for (const { value, place: at } of items) {
    if (value.startsWith("secrets:")) continue;
    const what = `Invalid secret in array form: ${JSON.stringify(value)}`;
    refuse(found, at, `${what} should begin with secrets:; with a value, write {NAME: value}`);
  }
  return { kind: "elsewhere", place } as const;
});

/** Values, or names that a server keeps. */
export type SecretsSaid =
  | { readonly kind: "values"; readonly values: Variables }
  | { readonly kind: "elsewhere" };

export const secrets: Kind<SecretsSaid> = byForm<SecretsSaid>(
  {
    scalar: made(variables("--secret"), (values) => ({ kind: "values", values })),
    map: made(variables("--secret"), (values) => ({ kind: "values", values })),
    list: keptElsewhere,
  },
  "a mapping",
);

function variables(flag: string): Kind<Variables> {
  return {
    schema,
    called: "a mapping",
    read: (tree, name, found) => {
      if (isNull(tree)) return undefined;
      if (tree.kind !== "map") {
        return refuse(found, tree.place, `${name} should be a mapping, not ${shown(tree)}`);
      }
      return readVariables(tree, flag, found);
    },
  };
}

function readVariables(
  tree: Extract<Tree, { kind: "map" }>,
  flag: string,
  found: Findings,
): Variables {
  const out: [string, string][] = [];
  for (const { key, keyPlace, value } of tree.entries) {
    if (!envNamePattern.test(key)) {
      const rule = "letters, digits and underscores, not beginning with a digit";
      refuse(found, keyPlace, `${JSON.stringify(key)} is no name of a variable: use ${rule}`);
    } else if (envNameProblem(key) !== undefined) {
      refuse(found, keyPlace, `${envNameProblem(key)}: choose another name`);
    }
    const written = readValue(value, { key, flag }, found);
    if (written !== undefined) out.push([key, written]);
  }
  return Object.fromEntries(out);
}

function readValue(
  tree: Tree,
  { key, flag }: { readonly key: string; readonly flag: string },
  found: Findings,
): string | undefined {
  if (tree.kind !== "scalar") {
    return refuse(found, tree.place, `${key} should be a string, not ${shown(tree)}`);
  }
  if (tree.value === null) {
    const how = `write one, or "" for an empty one, or give ${flag} ${key}=VALUE`;
    return refuse(found, tree.place, `${key} has no value: ${how}`);
  }
  if (tree.text.includes("\0")) return refuse(found, tree.place, `${key} has a NUL character`);
  return tree.text;
}

/** Over both: the name may be no secret where the password is one. */
export function checkDocker(trees: readonly (Tree | undefined)[], found: Findings): void {
  const entries = trees.flatMap((tree) => (tree?.kind === "map" ? tree.entries : []));
  const given = entries.filter(({ key }) => dockerNames.includes(key));
  const [first] = given;
  const missing = dockerNames.filter((name) => !given.some(({ key }) => key === name));
  if (first === undefined || missing.length === 0) return;
  const what = `If any of ${dockerNames.join(", ")} is set, all of them must be set`;
  refuse(found, first.keyPlace, `${what}: ${missing.join(" and ")} is missing`);
}
