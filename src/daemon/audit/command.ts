// Gives a login's command for the audit trail, as it was sent. Pure.

import { createHash } from 'node:crypto';
import type { ByteString } from '../../lib/wire.ts';
import type { LoginRequest } from '../../protocol/login.ts';
import { shellArguments } from '../../shell/command.ts';

/** Of a command in the trail; longer ones are cut, and have their length and sum beside them. */
const mostCharacters = 8192;

export interface AuditCommand {
  /** Missing: a login shell. */
  readonly command?: string;
  /** Of the whole, where it was cut. */
  readonly commandBytes?: number;
  readonly commandSum?: string;
}

/** What `sh -c` would be given, or the words of `dockershctl exec`, with blanks between them. */
export function auditCommand(request: LoginRequest): AuditCommand {
  const [, ...words] = request.user === undefined ? shellArguments(request) : request.args;
  if (words.length === 0) return {};
  const [first, second] = words;
  const isText = request.user === undefined && words.length === 2 && first === '-c';
  const bytes = Buffer.from(isText ? (second as ByteString) : words.join(' '), 'latin1');
  const text = bytes.toString('utf8');
  if (text.length <= mostCharacters) return { command: text };
  return {
    command: text.slice(0, mostCharacters),
    commandBytes: bytes.length,
    commandSum: createHash('sha256').update(bytes).digest('hex'),
  };
}
