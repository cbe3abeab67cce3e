// Where a simulated cluster can be broken on purpose: every port of head and nodes, and the state
// after each turn of the scheduler. Without a mutant all of them are handed through as they are.

import type { Bus } from "../../../runtime/bus.ts";
import type { TurnReport } from "../../../runtime/cell.ts";
import type { ProcessPort } from "../../../runtime/process.ts";
import type { MemoryMachine } from "../../../runtime/process-memory.ts";
import type { Store } from "../../../runtime/store.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";

export interface Mutant {
  readonly name: string;
  readonly headBus: (bus: Bus) => Bus;
  readonly nodeBus: (bus: Bus, node: string) => Bus;
  readonly store: (store: Store) => Store;
  readonly process: (port: ProcessPort, machine: MemoryMachine) => ProcessPort;
  /** After each turn of the scheduler, ahead of its commit. */
  readonly observe: (state: SchedulerState, report: TurnReport) => void;
}

export const noMutant: Mutant = {
  name: "none",
  headBus: (bus) => bus,
  nodeBus: (bus) => bus,
  store: (store) => store,
  process: (port) => port,
  observe: () => {},
};
