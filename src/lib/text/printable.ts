// Makes other people's words safe for a terminal: characters that would act on it are replaced by visible ones. Pure.

// Controls, halves of surrogate pairs, line separators and what turns the writing direction round.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** One line. */
export function printable(text: string): string {
  return text.replace(unprintable, '\ufffd');
}

/** Several lines, ending where they end in the text; each of them with `start` in front and a newline behind. */
export function printableLines(text: string, start: string): string {
  return text
    .split('\n')
    .map((line) => `${start}${printable(line)}\n`)
    .join('');
}

/** JSON.stringify leaves half of them as they are. Outside of strings, where no escape may stand, JSON has none. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
