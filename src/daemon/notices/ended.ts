// Describes what a user's sandbox took with it when it ended, and says it in a sentence. Pure.

import { localTime } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import { formatDuration } from '../../lib/text/units.ts';
import { causes } from '../../lib/values/causes.ts';
import type { Ended, Work } from '../../users/own/notices.ts';

function causeText({ cause, at, said, lingerMs }: Ended): string {
  const when = `on ${localTime(at)}`;
  const stayed = lingerMs === null ? 'for as long as it stays then' : `for ${formatDuration(lingerMs)}`;
  switch (cause) {
    case 'linger':
      return `Your sandbox ended ${when}, without a session ${stayed}`;
    case 'stopped':
      return said === null
        ? `Your sandbox was stopped ${when}`
        : `Your sandbox was stopped ${when} (“${said}”)`;
    case 'shutdown':
      return `Your sandbox was stopped ${when}, as were all of this host`;
    case 'out-of-memory':
      return `Your sandbox ran out of memory ${when}, and ended`;
    case 'host-restarted':
      return 'The host was restarted, and your sandbox ended with it';
    case 'unseen':
      return 'Your sandbox ended while the login service was not running';
    default:
      return `Your sandbox ended unexpectedly ${when}`;
  }
}

function workText(found: Work | null): string {
  if (found === null) return 'What ran in it has ended.';
  if (found.count === 0) return 'Nothing was running in it.';
  const names = found.names.join(', ');
  const more = found.count > found.names.length && found.names.length >= 5 ? ', …' : '';
  return `${found.count} program${found.count === 1 ? '' : 's'} ended with it: ${names}${more}.`;
}

/** One line, safe for any terminal. */
export function endedText(one: Ended): string {
  const { session, cause, at } = one;
  if (session !== undefined) {
    const how = session === '' ? '' : `, ${session}`;
    return printable(`A session that you had left ended on ${localTime(at)}: ${causes[cause].words}${how}.`);
  }
  return printable(`${causeText(one)}. ${workText(one.work)}`);
}

/** Whether somebody has lost something by it that they were not told of. */
export function isNews({
  cause,
  work: found,
  lingerMs,
  session,
}: Pick<Ended, 'cause' | 'work' | 'lingerMs' | 'session'>): boolean {
  if (session !== undefined) return true;
  if (cause === 'linger' && lingerMs === 0) return false; // it was said when they logged out
  if (found !== null) return found.count > 0;
  return cause !== 'linger' && cause !== 'stopped' && cause !== 'shutdown';
}
