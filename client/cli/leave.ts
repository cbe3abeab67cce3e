// The end of `sky`: at once, but not before the last byte of its output is with the reader.
//
// `process.exit` drops what a slow reader has not yet taken, silently and with exit code 0: a
// program that reads `sky queue -o json` would see half of it. A reader that is gone makes the
// write fail, and ends the wait.

export async function leave(code: number): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(written));
  process.exit(code);
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => stream.write("", () => resolve()));
}
