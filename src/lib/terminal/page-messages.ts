// The messages between the terminal page in a browser and the connection process that serves it: texts of JSON. What the terminal
// shows, and what is typed, are the bytes of messages of their own. docs/protocol.md, section 12. Pure.

/** Columns and rows. */
export type Size = readonly [number, number];

export type FromPage =
  | { readonly kind: 'login'; readonly user: string; readonly size: Size }
  | { readonly kind: 'answers'; readonly answers: readonly string[] }
  | { readonly kind: 'size'; readonly size: Size }
  /** The terminal has shown so many bytes. */
  | { readonly kind: 'shown'; readonly bytes: number };

export interface Prompt {
  readonly text: string;
  /** What is typed may be seen. */
  readonly echo: boolean;
}

export type ToPage =
  | { readonly kind: 'ask'; readonly text: string; readonly prompts: readonly Prompt[] }
  /** Something to be read by whoever logs in; `wrong`: an answer was. */
  | { readonly kind: 'say'; readonly text: string; readonly wrong: boolean }
  | { readonly kind: 'started' }
  /** The session is over, or none has begun; the connection ends. */
  | { readonly kind: 'over'; readonly text: string }
  /** Now and then, so that the page knows that the line is there. */
  | { readonly kind: 'alive' };

export const webProtocol = 'dockersh';
export const webPath = '/session';

/** Bytes that may be on their way to the page and not shown yet. */
export const mostUnshown = 256 * 1024;
/** A message of the page's has at most so many bytes. */
export const mostMessage = 64 * 1024;
export const aliveMs = 20_000;

const longestUser = 256;
const longestAnswer = 1024;
const mostAnswers = 16;
const mostCells = 2000;

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length <= most && !value.includes('\0');

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most;

const isSize = (value: unknown): value is Size =>
  Array.isArray(value) && value.length === 2 && value.every((one) => isCount(one, mostCells));

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // no JSON
  }
}

/** undefined: no message of a page's. */
export function fromPage(text: string): FromPage | undefined {
  const { kind, user, size, answers, bytes } = objectOf(text) ?? {};
  switch (kind) {
    case 'login':
      return isText(user, longestUser) && user !== '' && isSize(size) ? { kind, user, size } : undefined;
    case 'answers':
      return Array.isArray(answers) &&
        answers.length <= mostAnswers &&
        answers.every((one) => isText(one, longestAnswer))
        ? { kind, answers }
        : undefined;
    case 'size':
      return isSize(size) ? { kind, size } : undefined;
    case 'shown':
      return isCount(bytes, mostUnshown * 2) ? { kind, bytes } : undefined;
    default:
      return undefined;
  }
}
