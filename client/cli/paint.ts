// Colours for words on a terminal: few, and never the only way that something is told.

/** Source: ECMA-48, SGR. */
const codes = { green: 32, yellow: 33, red: 31, dim: 2 } as const;

export type Colour = keyof typeof codes;

/** What a status looks like: well, on its way or at rest, or ended badly. */
const ofStatus: Readonly<Record<string, Colour>> = {
  ...{ UP: "green", RUNNING: "green", SUCCEEDED: "green" },
  ...{ INIT: "yellow", STOPPING: "yellow", STOPPED: "yellow", PENDING: "yellow" },
  ...{ SETTING_UP: "yellow", FINISHING: "yellow" },
  ...{ FAILED: "red", FAILED_SETUP: "red", CANCELLED: "dim", TERMINATED: "dim" },
};

export function painted(text: string, colour: Colour): string {
  return `\u001b[${codes[colour]}m${text}\u001b[0m`;
}

/** For tables: statuses in their colours, every other cell as it is. */
export function paintStatus(title: string, cell: string): string {
  const colour = title === "STATUS" ? ofStatus[cell] : undefined;
  return colour === undefined ? cell : painted(cell, colour);
}
