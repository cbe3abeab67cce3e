// What a value that came from another process must look like, said field by field.
//
// A shape answers what is wrong, and where: never with the value itself, which may be secret. What
// passes has the fields that its type says and no others, and nothing in it is larger than was
// said. Pure.

/** What is wrong with a value, and where; `undefined` if nothing is. */
export type Shape = (value: unknown, at: string) => string | undefined;

export const anyText: Shape = text(16_384);
export const flag: Shape = (value, at) =>
  typeof value === "boolean" ? undefined : `${at} is neither true nor false`;

export function text(charsMax: number, pattern?: RegExp): Shape {
  return (value, at) => {
    if (typeof value !== "string") return `${at} is no text`;
    if (value.length > charsMax) return `${at} has more than ${charsMax} characters`;
    return pattern === undefined || pattern.test(value) ? undefined : `${at} is none`;
  };
}

export function count(max: number = Number.MAX_SAFE_INTEGER): Shape {
  return (value, at) => {
    const isCount = Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max;
    return isCount ? undefined : `${at} is no count up to ${max}`;
  };
}

/** A time may have a fraction. */
export const finite: Shape = (value, at) =>
  Number.isFinite(value) ? undefined : `${at} is no number`;

export function exactly(...values: readonly (string | number)[]): Shape {
  return (value, at) => (values.some((one) => one === value) ? undefined : `${at} is unknown`);
}

export function orNull(shape: Shape): Shape {
  return (value, at) => (value === null ? undefined : shape(value, at));
}

export function list(shape: Shape, lengthMax: number): Shape {
  return (value, at) => {
    if (!Array.isArray(value)) return `${at} is no list`;
    if (value.length > lengthMax) return `${at} has more than ${lengthMax} entries`;
    for (const [index, one] of value.entries()) {
      const wrong = shape(one, `${at}[${index}]`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** Any names, all values of one shape. */
export function table(shape: Shape, namesMax: number): Shape {
  return (value, at) => {
    if (!isObject(value)) return `${at} is no object`;
    const entries = Object.entries(value);
    if (entries.length > namesMax) return `${at} has more than ${namesMax} entries`;
    for (const [, one] of entries) {
      const wrong = shape(one, `an entry of ${at}`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

type Shapes = Readonly<Record<string, Shape>>;

/** Exactly these fields; those of `optional` may be absent. */
export function object(required: Shapes, optional: Shapes = {}): Shape {
  const shapes = new Map([...Object.entries(required), ...Object.entries(optional)]);
  return (value, at) => {
    if (!isObject(value)) return `${at} is no object`;
    for (const name of Object.keys(required)) {
      if (!Object.hasOwn(value, name)) return `${at} has no ${name}`;
    }
    for (const [name, one] of Object.entries(value)) {
      const shape = shapes.get(name);
      if (shape === undefined) return `${at} has a field that nobody knows`;
      const wrong = shape(one, `${at}.${name}`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** The shape that the field `by` chooses. */
export function oneOf(by: string, shapes: Shapes): Shape {
  return (value, at) => {
    const name = isObject(value) ? value[by] : undefined;
    const isKnown = typeof name === "string" && Object.hasOwn(shapes, name);
    const shape = isKnown ? shapes[name] : undefined;
    return shape === undefined ? `${at}.${by} is unknown` : shape(value, at);
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
