// Reads trees on this thread: for programs that have nothing else to do meanwhile.

import { type ReaderOptions, readTree } from "./reader-os.ts";
import type { TreeReading } from "./reading.ts";

export function createInlineReading(options: ReaderOptions): TreeReading {
  return {
    read: async (request, sink, signal) => {
      const onEntry = (name: string): void => {
        signal.throwIfAborted();
        options.onEntry?.(name);
      };
      return await readTree(request, sink, { ...options, onEntry });
    },
    close: async () => {},
  };
}
