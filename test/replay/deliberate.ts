// Turns of old histories that come to something else today because that was decided: by the name of
// the history and the number of the line, why. A change that adds to it says so in its commit.
//
// Of a life with such a turn, what follows is not compared until the next start out of the records
// of then; `replay.test.ts` demands that each turn that is named here does differ.

export const deliberate: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "0.1.0/sim.jsonl.zst": {
    2435: "Job 6 has settled: what an earlier attempt of it left on the node may go.",
    3036: "Job 4 has settled: what its earlier attempts left may go.",
    3131: "The same.",
    3394: "a gang of which only a part had started, and that may restart, is tried again",
  },
};
