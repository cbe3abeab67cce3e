// The lines that `sky --install-shell-completion` adds to a shell's rc file, and how to take them
// out again so that the file is what it was, to the byte. Pure.

const begin = "# SkyPilot shell completion: begin";
/** Of a file that did not end with a line's end: the one before the block is ours. */
const beginAfterLine = `${begin}, after a line without an end`;
/** Of a file that was not there. */
const beginNew = `${begin}, of a new file`;
const end = "# SkyPilot shell completion: end; sky --uninstall-shell-completion removes it";

/** `text` with one block that reads `script`; as it is, if it has that block already. */
export function withBlock(text: string | undefined, script: string): string {
  const reads = `[ -f ${quoted(script)} ] && . ${quoted(script)}`;
  if (text === undefined) return `${beginNew}\n${reads}\n${end}\n`;
  if (text.includes(`\n${reads}\n${end}\n`)) return text;
  const bare = withoutBlock(text);
  if (bare === undefined) return withBlock(undefined, script);
  const isWhole = bare === "" || bare.endsWith("\n");
  const [before, first] = isWhole ? [bare, begin] : [`${bare}\n`, beginAfterLine];
  return `${before}${first}\n${reads}\n${end}\n`;
}

/** `undefined`: nothing is left, and the file was ours. */
export function withoutBlock(text: string): string | undefined {
  const found = /^(# SkyPilot shell completion: begin[^\n]*)\n[^\n]*\n([^\n]*)\n/m.exec(text);
  if (found === null || found[2] !== end) return text;
  const [block, first] = found;
  const isAfterLine = first === beginAfterLine;
  const rest = text.slice(found.index + block.length);
  const before = text.slice(0, found.index - (isAfterLine ? 1 : 0));
  // Lines that were written behind the block need the end of the line before it.
  const joined = isAfterLine && rest !== "" ? `${before}\n${rest}` : `${before}${rest}`;
  return joined === "" && first === beginNew ? undefined : joined;
}

/** For a POSIX shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
