// What each node must have, as a value: SkyPilot's `Resources`.
//
// A value never changes; `copy` makes another. What is wrong with one is told when a task that has
// it is used, with every other problem of that task.

import { type Tree, treeOf } from "../model/value-tree.ts";
import type { ResourcesSpec } from "./task-spec.ts";
import { plainOf } from "./tree-plain.ts";

/**
 * What each node must have, or what a job asks of each of its nodes.
 *
 * @example
 * const big = new Resources({ cpus: "4+", memory: "16+", accelerators: "V100:1" });
 * const task = new Task({ run: "python train.py" }).setResources(big);
 */
export class Resources {
  readonly #tree: Tree;

  /** @throws SkyError `task/invalid` for what is no data: a function, or what contains itself. */
  constructor(spec: ResourcesSpec = {}) {
    this.#tree = treeOf(spec, "resources");
  }

  /**
   * The cheapest of these that an enabled cloud has.
   *
   * @example Resources.anyOf({ accelerators: "V100:1" }, { accelerators: "T4:1" })
   */
  static anyOf(...choices: readonly (Resources | ResourcesSpec)[]): Resources {
    return new Resources({ any_of: choices.map(specOf) });
  }

  /**
   * The first of these that an enabled cloud has.
   *
   * @example Resources.ordered({ infra: "gcp" }, { infra: "local" })
   */
  static ordered(...choices: readonly (Resources | ResourcesSpec)[]): Resources {
    return new Resources({ ordered: choices.map(specOf) });
  }

  /**
   * The same with other fields in place of its own.
   *
   * @example big.copy({ cpus: 8 })
   */
  copy(over: ResourcesSpec): Resources {
    return new Resources({ ...this.toSpec(), ...over });
  }

  /** As plain data, with the YAML's names. */
  toSpec(): ResourcesSpec {
    return plainOf(this.#tree) as ResourcesSpec;
  }
}

/** The plain form of either. */
export function specOf(resources: Resources | ResourcesSpec): ResourcesSpec {
  return resources instanceof Resources ? resources.toSpec() : resources;
}
