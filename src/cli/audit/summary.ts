// Says in a few words what a line of the audit trail tells. Pure.

import type { AuditLine } from '../../lib/audit/filter.ts';
import { humanDuration } from '../../lib/text/human.ts';
import { causes, type EndCause } from '../../lib/values/causes.ts';

const mostCharacters = 200;

export function summaryOf(line: AuditLine): string {
  const text = wordsOf(line)
    .filter((word) => word !== '')
    .join(', ');
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters - 1)}…` : text;
}

function wordsOf(line: AuditLine): string[] {
  const of = (name: string): string => textOf(line[name]);
  const said = (name: string, before: string): string => (of(name) === '' ? '' : `${before} ${of(name)}`);
  switch (line.event) {
    case 'login':
      return [
        of('command') === '' ? 'a shell' : of('command'),
        said('image', 'image'),
        said('byUid', 'by uid'),
      ];
    case 'connection-opened':
      return [said('auth', 'authenticated by'), said('image', 'image')];
    case 'administration':
      return [
        `${of('by') || 'root'}: ${of('verb')}`,
        line['params'] === undefined ? '' : JSON.stringify(line['params']),
        said('code', 'failed:'),
      ];
    case 'audit-began':
      return [said('torn', 'bytes of half a line removed:')];
    case 'audit-gap':
      return [`${of('lines')} lines are missing since ${of('since')}`];
    case 'left-out':
      return [`${of('lines')} lines more${of('of') === '' ? '' : ` of ${of('of')}`}`];
    case 'cron':
    case 'self-service-begun':
    case 'self-service':
      return [of('command'), of('code') === '' ? '' : `${of('reason')} [${of('code')}]`];
    case 'login-outside':
      return [said('shell', 'a shell of the host:')];
    case 'network-refused':
      return [
        [of('protocol'), of('address')].join(' ').trim() || 'others',
        said('port', 'port'),
        said('count', 'times:'),
      ];
    case 'forward':
      return [
        [of('way'), of('protocol'), of('target')].join(' ').trim() || 'others',
        said('port', 'port'),
        said('errno', 'failed, errno'),
        said('count', 'times:'),
      ];
    case 'session-recording':
      return [of('state')];
    case 'out-of-memory':
      return [`ended ${of('process')}`];
    case 'sandbox-started':
      return [said('image', 'image')];
    default:
      return endOf(line, of, said);
  }
}

function endOf(
  line: AuditLine,
  of: (name: string) => string,
  said: (name: string, before: string) => string,
): string[] {
  const { cause, ms } = line;
  const isKnown = typeof cause === 'string' && Object.hasOwn(causes, cause);
  const reason = of('code') === '' ? '' : `${of('reason')} [${of('code')}]`;
  return [
    reason,
    isKnown ? causes[cause as EndCause].words : textOf(cause),
    said('status', 'exit status'),
    said('signal', 'signal'),
    said('by', 'by'),
    typeof ms === 'number' ? `after ${humanDuration(ms)}` : '',
  ];
}

const textOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
