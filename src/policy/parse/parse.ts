// Parses INI text into a policy, or a list of problems with their places. Pure.

import { assemble, type ParsedPolicy } from './assemble.ts';
import { parseFile } from './file.ts';

/** A policy of one file. `file` is only for messages and origins: nothing is read. */
export function parsePolicy(text: string, file: string): ParsedPolicy {
  return assemble([parseFile(text, file)], file);
}
