// Texts that were not written for a terminal, on a terminal: names of objects and what stores say.
// An escape sequence in a name moves no cursor and sets no title. Pure.

/** The text with every control character as what stands for it: `\n`, `\u001b`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, named);
}

const usual: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function named(character: string): string {
  const code = character.charCodeAt(0).toString(16).padStart(4, "0");
  return usual[character] ?? `\\u${code}`;
}
