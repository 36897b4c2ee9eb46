// Reads the text of sshd's configuration with the files that it includes (sshd_config(5)), for facts that "sshd -T"
// leaves out, or takes too long to tell.

import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { hasErrno } from '../errors.ts';

/** As deep as sshd follows includes. */
const deepest = 16;

export interface SshdText {
  /** Undefined: a file is there and can't be read. */
  readonly text: string | undefined;
  /** What it was read from, as it was then: another value where anything of it has changed. */
  readonly stamp: string;
}

export function readSshdText(config: string): SshdText {
  const found: Found = { texts: [], paths: [], isWhole: true };
  collect(config, dirname(config), 0, found);
  return { text: found.isWhole ? found.texts.join('\n') : undefined, stamp: stampOf(found.paths) };
}

/** Whether the configuration is still the one that was read. */
export function isSameSshdText({ stamp }: SshdText): boolean {
  return stamp === stampOf(stamp.split('\n').map((line) => line.slice(line.indexOf(' ') + 1)));
}

/** Whether a keyword stands in the configuration at all; true as well where it can't be read. */
export function configMentions(config: string, keyword: string): boolean {
  const { text } = readSshdText(config);
  return text === undefined || new RegExp(String.raw`^\s*${keyword}[\s=]`, 'im').test(text);
}

interface Found {
  readonly texts: string[];
  /** Files, and folders of files that are included by patterns. */
  readonly paths: string[];
  isWhole: boolean;
}

function collect(file: string, folder: string, depth: number, found: Found): void {
  found.paths.push(file);
  const text = readOrEmpty(file);
  if (text === undefined || depth >= deepest) found.isWhole = false;
  if (text === undefined || depth >= deepest) return;
  found.texts.push(text);
  for (const pattern of includesOf(text, folder)) {
    found.paths.push(dirname(pattern));
    for (const included of globSync(pattern)) collect(included, folder, depth + 1, found);
  }
}

function includesOf(text: string, folder: string): string[] {
  return [...text.matchAll(/^\s*include[\s=]+(.*)$/gim)].flatMap(([, rest = '']) =>
    (rest.match(/"[^"]*"|[^\s"]+/g) ?? [])
      .map((pattern) => pattern.replaceAll('"', ''))
      .map((pattern) => (isAbsolute(pattern) ? pattern : join(folder, pattern))),
  );
}

function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const info = statSync(path, { throwIfNoEntry: false });
      return `${info === undefined ? '-' : `${info.ino}:${info.mtimeMs}:${info.size}`} ${path}`;
    })
    .join('\n');
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
