// Lines of ignore files, each with a name that it matches and one that it does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ignorePattern, ignorePatterns } from "../../transfer/tree/ignore-pattern.ts";
import { isLeftOut, noRules, rulesWith } from "../../transfer/tree/ignore-rules.ts";

/** A line, what it matches, what it does not. */
const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["a", ["a"], ["b", "ab", "A", ""]],
  ["*.pyc", ["x.pyc", ".pyc"], ["x.pyc2", "x.py"]],
  ["a*b", ["ab", "axxb", "a\nb"], ["abc"]],
  ["a?b", ["axb", "a\nb"], ["ab", "axxb"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x"]],
  ["[!a-c]x", ["dx"], ["ax", "x"]],
  ["[^a]x", ["bx", "^x"], ["ax"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[!]]", ["a"], ["]"]],
  ["[a-]", ["a", "-"], ["b"]],
  ["[\\]]", ["]"], ["\\"]],
  ["[[:digit:]]x", ["1x"], ["ax", ":x"]],
  ["[[:upper:][:digit:]_]", ["A", "1", "_"], ["a", ":"]],
  ["[c-a]", ["c"], ["a", "b", "-"]],
  ["[[:none:]]", [], ["n", ":"]],
  ["[a", [], ["a", "[a"]],
  ["a\\", [], ["a", "a\\"]],
  ["\\*", ["*"], ["a", "\\*"]],
  ["\\#x", ["#x"], ["x"]],
  ["\\!x", ["!x"], ["x"]],
  ["x  ", ["x"], ["x "]],
  ["x\\ ", ["x "], ["x", "x\\"]],
  ["x\t", ["x\t"], ["x"]],
  ["/a/*/c", ["a/b/c"], ["a/c", "a/b/b/c", "x/a/b/c"]],
  ["**/a", ["a", "x/a", "x/y/a"], ["xa", "x/ya"]],
  ["a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]],
  ["a**/b", ["a/b", "ax/b"], ["b", "a/x/b"]],
  [".*", [".git", "."], ["a"]],
  ["\xc3\xa9", ["\xc3\xa9"], ["\xe9"]],
  ["?", ["\xff"], ["\xc3\xa9"]],
];

for (const [line, matched, others] of rows) {
  test(`${JSON.stringify(line)} matches what git matches`, () => {
    const pattern = ignorePattern(line);
    for (const name of matched) assert.equal(pattern?.matches(name), true, JSON.stringify(name));
    for (const name of others) assert.equal(pattern?.matches(name), false, JSON.stringify(name));
  });
}

test("comments, empty lines and marks that say nothing are no patterns", () => {
  const lines = ["", "#x", "   ", "/", "!", "!/", "\0x"];
  assert.deepEqual(
    lines.map((line) => ignorePattern(line)),
    lines.map(() => undefined),
  );
  const { isNegative, folderOnly, isName } = ignorePattern("!/a/") ?? {};
  assert.deepEqual([isNegative, folderOnly, isName], [true, true, false]);
});

test("a file may begin with a mark of its byte order and end its lines as Windows does", () => {
  const patterns = ignorePatterns("\xEF\xBB\xBFa\r\nb\r\n\r\nc");
  assert.deepEqual(
    ["a", "b", "c", "b\r"].map((name) => patterns.some(({ matches }) => matches(name))),
    [true, true, true, false],
  );
});

test("the deepest file decides, then the last line; an anchored line holds where it lies", () => {
  const above = rulesWith(noRules, "", "*.log\n/top\n!keep.log\nbuild/\n");
  const rules = rulesWith(above, "in/side", "!a.log\n/here\n");
  const out = (path: string, isFolder = false): boolean => {
    const cut = path.lastIndexOf("/");
    const [folder, name] = [path.slice(0, Math.max(cut, 0)), path.slice(cut + 1)];
    return isLeftOut(folder.startsWith("in/side") ? rules : above, { name, folder, isFolder });
  };
  const said: readonly (readonly [string, boolean, boolean?])[] = [
    ["a.log", true],
    ["keep.log", false],
    ["top", true],
    ["in/top", false],
    ["build", false],
    ["build", true, true],
    ["in/side/a.log", false],
    ["in/side/b.log", true],
    ["in/side/here", true],
    ["in/side/x/here", false],
    [".git", true, true],
    ["in/.git", true],
  ];
  for (const [path, isOut, isFolder] of said) assert.equal(out(path, isFolder), isOut, path);
});

test("version control stays out unless a line of the one file that counts takes it back", () => {
  const it = { name: ".git", folder: "in", isFolder: true };
  const alone = { ...noRules, isAlone: true };
  const out = [noRules, alone].map((rules) =>
    ["", "!.git\n", "!.git/\n", "!/.git\n", "*\n!.git\n"].map((lines) => {
      return isLeftOut(rulesWith(rules, "", lines), it);
    }),
  );
  assert.deepEqual(out, [
    [true, true, true, true, true],
    [true, false, false, true, false],
  ]);
});
