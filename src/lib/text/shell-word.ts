// Quotes words of commands that a person is told to run, so that they can be pasted into a shell whatever is in a
// path or a name. Pure.

/** A word as a person would have to type it in a shell. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** As shellWord, for an operand that may look like an option. */
export function shellOperand(word: string): string {
  return word.startsWith('-') ? `-- ${shellWord(word)}` : shellWord(word);
}
