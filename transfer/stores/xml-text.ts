// The little XML that stores answer with: elements without attributes that matter, and their texts.
//
// No document type, no entities but the five of XML and numbered characters: nothing can be made to
// grow. What is not there is an empty list.

const entities: Readonly<Record<string, string>> = {
  ...{ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" },
};

/** What is in each element of that name, as it stands there, in order. They are not nested. */
export function tagged(xml: string, name: string): readonly string[] {
  const found: string[] = [];
  const begin = new RegExp(`<${name}(?:\\s[^<>]*)?(/?)>`, "g");
  for (let match = begin.exec(xml); match !== null; match = begin.exec(xml)) {
    if (match[1] === "/") {
      found.push("");
      continue;
    }
    const end = xml.indexOf(`</${name}>`, begin.lastIndex);
    if (end < 0) return found;
    found.push(xml.slice(begin.lastIndex, end));
    begin.lastIndex = end;
  }
  return found;
}

/** The text of the first element of that name. */
export function textIn(xml: string, name: string): string | undefined {
  const [found] = tagged(xml, name);
  return found === undefined ? undefined : unescaped(found);
}

export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replace(/[\t\n\r]/g, (control) => `&#${control.charCodeAt(0)};`);
}

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,5}));/g, (whole, ...groups) => {
    const [decimal, hex, name] = groups as (string | undefined)[];
    if (name !== undefined) return Object.hasOwn(entities, name) ? (entities[name] ?? "") : whole;
    const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    return point <= 0x10_ffff ? String.fromCodePoint(point) : whole;
  });
}
