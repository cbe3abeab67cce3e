// The port to a solver of linear programs, some of whose variables must be integers.
//
// A program is text in the CPLEX LP format, so that planners stay pure and a plan that looks wrong
// can be given to any other solver. What must always hold of an implementation: it answers within
// the time that it was given, or says that it could not; the same text has the same answer as long
// as time did not cut it short.

export interface MilpSolver {
  solve(program: string, options: SolveOptions): Promise<MilpAnswer>;
}

export interface SolveOptions {
  readonly secondsMax: number;
  /** How far from the best a solution may be, as a share of it. */
  readonly gap: number;
}

export type MilpAnswer =
  /** Variables that are not named are 0. `isBest`: within the gap; otherwise time was up. */
  | {
      readonly kind: "solved";
      readonly isBest: boolean;
      readonly objective: number;
      readonly values: ReadonlyMap<string, number>;
    }
  | { readonly kind: "infeasible" }
  | { readonly kind: "failed"; readonly why: string };

/** For callers that plan nothing which needs one: the solver is loaded at the first program. */
export function lazySolver(load: () => Promise<MilpSolver>): MilpSolver {
  let loaded: Promise<MilpSolver> | undefined;
  return {
    solve: async (program, options) => {
      loaded ??= load();
      return (await loaded).solve(program, options);
    },
  };
}
