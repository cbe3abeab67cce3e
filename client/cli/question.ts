// A question on the terminal that is answered by yes or no.
//
// A line is read, and only what says yes is a yes: who types something else is asked again, and
// a slip of the finger takes no cluster down. An empty line is the default.
// Source of the form: click, which SkyPilot asks with.

import { createInterface } from "node:readline";

/** How often somebody is asked whose answers are neither. */
const triesMax = 3;

export interface Question {
  /** The question without what may be answered. */
  readonly text: string;
  /** What an empty line says. Default: yes. */
  readonly byDefault?: boolean;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Whether keys are read one by one, as of a terminal: Ctrl-C and Ctrl-D are keys there. */
  readonly terminal: boolean;
  /** Its abort is a no. */
  readonly signal: AbortSignal;
}

/** Whether the answer was yes. Ctrl-C, Ctrl-D and the end of the input are a no. */
export async function yesOrNo(question: Question): Promise<boolean> {
  const { text, byDefault = true, input, output, terminal, signal } = question;
  const prompt = `${text} ${byDefault ? "[Y/n]" : "[y/N]"}: `;
  const lines = createInterface({ input, output, terminal, prompt, historySize: 0, signal });
  // Who typed ahead has ended the input before the first line is looked at.
  let open = true;
  lines.on("close", () => {
    open = false;
  });
  try {
    lines.prompt();
    let tries = 0;
    for await (const line of lines) {
      const answer = answerOf(line, byDefault);
      if (answer !== undefined) return answer;
      output.write("Error: invalid input\n");
      tries += 1;
      if (tries === triesMax) return false;
      if (open) lines.prompt();
    }
    // The cursor still stands behind the question.
    output.write("\n");
    return false;
  } finally {
    lines.close();
  }
}

/** `undefined` for what is neither. */
function answerOf(line: string, byDefault: boolean): boolean | undefined {
  const word = line.trim().toLowerCase();
  if (word === "") return byDefault;
  if (word === "y" || word === "yes") return true;
  return word === "n" || word === "no" ? false : undefined;
}
