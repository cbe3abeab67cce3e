// Who keeps a cluster from being idle without being one of its jobs, by count. Pure.

export interface Holds {
  /** One more, until the function that this gives is called; twice is once. */
  readonly hold: () => () => void;
  /** Says how many there are, if there are any. */
  readonly tellAgain: () => void;
}

export function countHolds(tell: (count: number) => void): Holds {
  let count = 0;
  const change = (by: number): void => {
    count += by;
    tell(count);
  };
  return {
    hold: () => {
      let isOver = false;
      change(1);
      return () => {
        if (isOver) return;
        isOver = true;
        change(-1);
      };
    },
    tellAgain: () => {
      if (count > 0) tell(count);
    },
  };
}
