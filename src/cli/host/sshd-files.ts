// Reads the text of sshd's configuration with the files that it includes (sshd_config(5)), for facts that "sshd -T"
// leaves out.

import { globSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { hasErrno } from '../../lib/errors.ts';

/** As deep as sshd follows includes. */
const deepest = 16;

/** Whether a keyword stands in the configuration at all; true as well where it can't be read. */
export function configMentions(config: string, keyword: string): boolean {
  return mentions(config, new RegExp(String.raw`^\s*${keyword}[\s=]`, 'im'), dirname(config), 0);
}

function mentions(file: string, wanted: RegExp, folder: string, depth: number): boolean {
  const text = readOrEmpty(file);
  if (text === undefined || wanted.test(text)) return true;
  if (depth >= deepest) return true;
  return includesOf(text, folder).some((included) => mentions(included, wanted, folder, depth + 1));
}

function includesOf(text: string, folder: string): string[] {
  return [...text.matchAll(/^\s*include[\s=]+(.*)$/gim)].flatMap(([, rest = '']) =>
    (rest.match(/"[^"]*"|[^\s"]+/g) ?? [])
      .map((pattern) => pattern.replaceAll('"', ''))
      .flatMap((pattern) => globSync(isAbsolute(pattern) ? pattern : join(folder, pattern))),
  );
}

/** Undefined: it is there and can't be read. */
function readOrEmpty(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EISDIR')) return '';
    if (hasErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}
