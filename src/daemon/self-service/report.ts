// Makes the message that answers a word of self-service. Whatever stands in it, nothing of it acts on a terminal.

import { type ErrorCode, errorCatalogue, fullStop, toDockershError } from '../../lib/errors.ts';
import { statusOf } from '../../lib/exit-status.ts';
import { printable, printableJson } from '../../lib/text/printable.ts';
import { WireWriter } from '../../lib/wire.ts';
import { loginError } from '../../protocol/login.ts';
import type { Answer } from './asking.ts';

/** Below what a message holds. */
const mostBytes = 180 * 1024;

export function report(text: string, exitCode: number): Buffer {
  return new WireWriter('report').bytes('text', bounded(text)).u32('code', exitCode).finish();
}

function bounded(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length <= mostBytes
    ? bytes
    : Buffer.concat([bytes.subarray(0, mostBytes), Buffer.from('\n…\n')]);
}

export function answerText(answer: Answer, json: boolean): string {
  if (json) return `${printableJson(answer.json, 2)}\n`;
  const lines = answer.text.replace(/\n$/, '').split('\n');
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** What a user reads of a failure: nothing of the host's. */
export interface Refused {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
}

/** What it advises is about dockershctl. */
const isForAdministrators = (code: ErrorCode): boolean => code === 'E_USAGE' || code === 'E_NOT_FOUND';

export function refusedFor(error: unknown): Refused {
  const { code, userDetail, exitCode } = toDockershError(error);
  const { message } = errorCatalogue[code];
  const { hint } = errorCatalogue[isForAdministrators(code) ? 'E_SELF_SERVICE' : code];
  const said = userDetail ?? message;
  return {
    code,
    message: fullStop(said.charAt(0).toUpperCase() + said.slice(1)),
    hint,
    exitCode: statusOf(code, exitCode),
  };
}

/** For people on standard error, for programs on standard output. */
export function refusedMessage(refused: Refused, session: string, json: boolean): Buffer {
  const { code, message, hint, exitCode } = refused;
  if (json) return report(`${printableJson({ error: { code, message, hint } })}\n`, exitCode);
  return loginError(printable(`${message} ${hint} [${code}, session ${session}]`), exitCode);
}
