// The queue: priority first, then the order of submission (ids rise).
//
// Jobs that ask for the same thing (same shape) either all fit or none does, so they stand in one
// line per shape, and the scheduler looks only at the first of each line. The lines are kept in the
// order of their first jobs: the head of the queue is the first of the first line. Every operation
// is a binary search and a shift of a packed array; nothing scans or sorts the jobs.
//
// A parked line is out of the order: its jobs wait for nodes that are not there, and block nobody.

export interface Queued {
  readonly id: number;
  readonly priority: number;
  readonly shape: string;
}

interface Line {
  readonly shape: string;
  readonly jobs: Queued[];
  parked: boolean;
}

export interface Queue {
  readonly size: number;
  has(id: number): boolean;
  add(job: Queued): void;
  remove(id: number): void;
  /** The job whose turn it is. */
  first(): Queued | undefined;
  /** The first jobs of at most `countMax` lines that are not parked, in queue order. */
  firsts(countMax: number): readonly Queued[];
  /** The job at a place in the line of `shape`, counted from 0. */
  inLine(shape: string, place: number): Queued | undefined;
  park(shape: string): void;
  /** Takes every parked line back into the order. */
  unparkAll(): void;
  /** The jobs of parked lines. */
  parked(): readonly Queued[];
  isParked(shape: string): boolean;
}

export function createQueue(): Queue {
  const jobs = new Map<number, Queued>();
  const lines = new Map<string, Line>();
  /** Lines that are neither empty nor parked, by their first jobs. */
  const order: Line[] = [];

  return {
    get size() {
      return jobs.size;
    },
    has: (id) => jobs.has(id),
    add: (job) => {
      if (jobs.has(job.id)) return;
      const line = lines.get(job.shape) ?? { shape: job.shape, jobs: [], parked: false };
      lines.set(job.shape, line);
      jobs.set(job.id, job);
      const at = indexOf(line.jobs, job);
      change(order, line, () => line.jobs.splice(at, 0, job));
    },
    remove: (id) => {
      const job = jobs.get(id);
      const line = job === undefined ? undefined : lines.get(job.shape);
      if (job === undefined || line === undefined) return;
      jobs.delete(id);
      const at = indexOf(line.jobs, job);
      change(order, line, () => line.jobs.splice(at, 1));
      if (line.jobs.length === 0) lines.delete(line.shape);
    },
    first: () => order[0]?.jobs[0],
    firsts: (countMax) => order.slice(0, countMax).flatMap((line) => line.jobs.slice(0, 1)),
    inLine: (shape, place) => lines.get(shape)?.jobs[place],
    park: (shape) => {
      const line = lines.get(shape);
      if (line === undefined || line.parked) return;
      change(order, line, () => {
        line.parked = true;
      });
    },
    unparkAll: () => {
      for (const line of lines.values()) {
        change(order, line, () => {
          line.parked = false;
        });
      }
    },
    parked: () => [...lines.values()].flatMap((line) => (line.parked ? line.jobs : [])),
    isParked: (shape) => lines.get(shape)?.parked === true,
  };
}

/** Changes a line while it is out of the order, because the change may move it. */
function change(order: Line[], line: Line, edit: () => void): void {
  const [first] = line.jobs;
  if (first !== undefined && !line.parked) order.splice(position(order, first), 1);
  edit();
  const [next] = line.jobs;
  if (next !== undefined && !line.parked) order.splice(position(order, next), 0, line);
}

function before(a: Queued, b: Queued): boolean {
  return a.priority === b.priority ? a.id < b.id : a.priority > b.priority;
}

/** Where `job` stands or would stand. */
function indexOf(jobs: readonly Queued[], job: Queued): number {
  return search(jobs.length, (at) => isBefore(jobs[at], job));
}

function position(order: readonly Line[], first: Queued): number {
  return search(order.length, (at) => isBefore(order[at]?.jobs[0], first));
}

function isBefore(job: Queued | undefined, other: Queued): boolean {
  return job !== undefined && before(job, other);
}

/** The smallest index whose element is not before what is looked for. */
function search(count: number, isBeforeIt: (at: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBeforeIt(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
