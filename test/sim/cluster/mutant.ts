// Where a simulated cluster can be broken on purpose: every port of head and nodes, and the state
// after each turn of the scheduler. Without a mutant all of them are handed through as they are.

import type { Bus } from "../../../runtime/bus.ts";
import type { TurnReport } from "../../../runtime/cell.ts";
import type { ProcessPort } from "../../../runtime/process.ts";
import type { MemoryMachine } from "../../../runtime/process-memory.ts";
import type { Batch, Store } from "../../../runtime/store.ts";
import type { StreamPort } from "../../../runtime/stream.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import type { LogDisk } from "../../../scheduler/log-disk-os.ts";
import type { LogStore } from "../../../scheduler/log-store-os.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import { wholeFrame } from "./disk.ts";

export interface Mutant {
  readonly name: string;
  /** The rule that it breaks. */
  readonly breaks: string;
  /** Puts in what is not a port's; what is returned takes it out again. */
  readonly begin: () => () => void;
  readonly headBus: (bus: Bus) => Bus;
  readonly headSystem: (system: ActorSystem) => ActorSystem;
  readonly nodeBus: (bus: Bus, node: string) => Bus;
  readonly nodeSystem: (system: ActorSystem) => ActorSystem;
  readonly store: (store: Store) => Store;
  /** What the end of the journal, torn by a crash, holds. */
  readonly recover: (torn: Buffer) => Batch | undefined;
  readonly logDisk: (disk: LogDisk) => LogDisk;
  readonly logStore: (logs: LogStore) => LogStore;
  readonly process: (port: ProcessPort, machine: MemoryMachine) => ProcessPort;
  readonly streams: (port: StreamPort) => StreamPort;
  /** After each turn of the scheduler, ahead of its commit. */
  readonly observe: (state: SchedulerState, report: TurnReport) => void;
}

export const noMutant: Mutant = {
  name: "none",
  breaks: "nothing",
  begin: () => () => {},
  headBus: (bus) => bus,
  headSystem: (system) => system,
  nodeBus: (bus) => bus,
  nodeSystem: (system) => system,
  store: (store) => store,
  recover: wholeFrame,
  logDisk: (disk) => disk,
  logStore: (logs) => logs,
  process: (port) => port,
  streams: (port) => port,
  observe: () => {},
};
