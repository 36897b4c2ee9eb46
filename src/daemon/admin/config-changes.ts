// Parses "commit --change", lines as in a Dockerfile, into changes of an image's configuration. Pure.

import type { ConfigChanges } from '../../images/layers/commit.ts';
import { DockershError } from '../../lib/errors.ts';

interface Draft {
  env: string[];
  labels: Record<string, string>;
  workingDir?: string;
  user?: string;
  entrypoint?: string[];
  cmd?: string[];
}

/** Throws E_USAGE with the line that is not understood. */
export function configChanges(lines: readonly string[]): ConfigChanges {
  const draft: Draft = { env: [], labels: {} };
  for (const line of lines) {
    const [, instruction = '', rest = ''] = /^\s*([A-Za-z]+)\s+(.*\S)\s*$/s.exec(line) ?? [];
    apply(draft, instruction.toUpperCase(), rest, line);
  }
  const { env, labels, ...others } = draft;
  return {
    ...others,
    ...(env.length === 0 ? {} : { env }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  };
}

function apply(draft: Draft, instruction: string, rest: string, line: string): void {
  switch (instruction) {
    case 'ENV':
      draft.env.push(...pairs(rest, line).map(([name, value]) => `${name}=${value}`));
      break;
    case 'LABEL':
      for (const [name, value] of pairs(rest, line)) draft.labels[name] = value;
      break;
    case 'WORKDIR':
      if (!rest.startsWith('/')) throw notUnderstood(line, 'the folder must be an absolute path');
      draft.workingDir = rest;
      break;
    case 'USER':
      draft.user = rest;
      break;
    case 'ENTRYPOINT':
      draft.entrypoint = words(rest, line);
      break;
    case 'CMD':
      draft.cmd = words(rest, line);
      break;
    default:
      throw notUnderstood(line, 'it is none of ENV, LABEL, WORKDIR, USER, ENTRYPOINT and CMD');
  }
}

/** `NAME=value NAME="two words"`, or the old form `NAME the rest`. */
function pairs(text: string, line: string): [string, string][] {
  const old = /^([^\s="]+)\s+([^=]*)$/.exec(text);
  if (old !== null) return [[old[1] ?? '', old[2] ?? '']];
  const pattern = /\s*([^\s="]+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s"'\\]|\\.)*)(?=\s|$)/gy;
  const found: [string, string][] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    found.push([match[1] ?? '', unquoted(match[2] ?? '')]);
    end = match.index + match[0].length;
  }
  if (found.length === 0 || end !== text.length)
    throw notUnderstood(line, 'write NAME=value, or NAME="two words"');
  return found;
}

function unquoted(text: string): string {
  if (text.startsWith("'")) return text.slice(1, -1);
  const inner = text.startsWith('"') ? text.slice(1, -1) : text;
  return inner.replaceAll(/\\(.)/gs, '$1');
}

/** A JSON array of words, or a line for /bin/sh. */
function words(text: string, line: string): string[] {
  if (!text.startsWith('[')) return ['/bin/sh', '-c', text];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notUnderstood(line, 'it is no JSON array of texts'); // SyntaxError is all that JSON.parse throws
  }
  if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return value;
  throw notUnderstood(line, 'it is no JSON array of texts');
}

function notUnderstood(line: string, why: string): DockershError {
  return new DockershError('E_USAGE', {
    what: `--change ${JSON.stringify(line)}`,
    why,
    hint: 'Write a line as a Dockerfile has it: ENV NAME=value, LABEL NAME=value, WORKDIR /path, USER NAME.',
  });
}
