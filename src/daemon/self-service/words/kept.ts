// The words about kept sessions, and what @sessions says of them.

import type { KeptSession } from '../../../isolation/engine.ts';
import { humanAgo } from '../../../lib/text/human.ts';
import { renderTable } from '../../../lib/text/table.ts';
import { formatDuration, parseDuration } from '../../../lib/text/units.ts';
import { unanswered } from '../../kept/answers.ts';
import { leftSessions } from '../../kept/reattach.ts';
import { type Answer, type Asking, refusal, type WordHandler, type WordParts } from '../asking.ts';

const notKept = 'the policy of this host keeps no session when its connection ends';

async function kept({ user }: Asking, { admin }: WordParts): Promise<KeptSession[]> {
  return (await admin.engine.kept.list(user.uid)).filter(({ keeps }) => keeps);
}

/** By the number that @sessions shows. Throws E_NOT_FOUND. */
function numbered(sessions: readonly KeptSession[], number: string): KeptSession {
  const found = sessions.find((session) => session.number === Number(number));
  if (found === undefined) throw refusal('E_NOT_FOUND', `no session ${number} of yours is kept`);
  return found;
}

/** The one that was left last, with or without a word, or else the only one. */
function obvious(sessions: readonly KeptSession[], [dead]: readonly KeptSession[]): KeptSession {
  const [only, second] = sessions;
  const left = dead ?? leftSessions(sessions)[0];
  if (left !== undefined) return left;
  if (only === undefined) throw refusal('E_NOT_FOUND', 'no session of yours is kept');
  if (second === undefined) return only;
  const numbers = sessions.map(({ number }) => number).join(', ');
  throw refusal('E_NOT_FOUND', `somebody is at each of your sessions (${numbers}): say which one you mean`);
}

/** Hands the client over to the session's sandbox, which shows it there. */
export const attach: WordHandler = async (asking, parts) => {
  const { login, command, policy } = asking;
  if (login === undefined)
    throw refusal('E_SELF_SERVICE', 'a session is attached to by "ssh -t HOST @attach"');
  const peeks = command.args.at(-1) === 'peek';
  const [number] = peeks ? command.args.slice(0, -1) : command.args;
  const sessions = await kept(asking, parts);
  if (sessions.length === 0 && policy.onHangup !== 'keep') throw refusal('E_SELF_SERVICE', notKept);
  const meant = number === undefined ? sessions : [numbered(sessions, number)];
  const dead = await unanswered(parts.admin.engine.kept, asking.user.uid, meant);
  const session = obvious(meant, dead);
  await parts.look(asking, session.id, peeks ? 'peek' : 'attach', !peeks && dead.includes(session));
  return 'handed over';
};

/** Ends the connections of a session's viewers, or of all sessions'; the sessions go on. */
export const detach: WordHandler = async (asking, parts) => {
  const sessions = await kept(asking, parts);
  const [number] = asking.command.args;
  const meant = number === undefined ? sessions : [numbered(sessions, number)];
  const attended = meant.filter(({ leftAt }) => leftAt === null);
  for (const { id } of attended) parts.admin.engine.kept.detach(asking.user.uid, id);
  const numbers = attended.map((session) => session.number);
  const text =
    numbers.length === 0
      ? 'Nobody is at a session of yours that is kept.'
      : `Detached: ${numbers.join(', ')}.`;
  return { json: { detached: numbers }, text: `${text}\n` };
};

/** For how long the sessions of this user that are there are kept: as long as the policy says at most. */
export const keep: WordHandler = async (asking, parts) => {
  const { policy, command, user } = asking;
  const sessions = await kept(asking, parts);
  if (policy.onHangup !== 'keep') throw refusal('E_SELF_SERVICE', notKept);
  const most = policy.keepForMs ?? Number.POSITIVE_INFINITY;
  const [wanted] = command.args;
  const forMs = wanted === undefined ? most : durationOf(wanted);
  if (forMs > most) throw refusal('E_SELF_SERVICE', `sessions are kept for ${formatDuration(most)} at most`);
  if (wanted !== undefined) {
    const ms = Number.isFinite(forMs) ? forMs : null;
    for (const { id } of sessions) parts.admin.engine.kept.keep(user.uid, id, ms);
  }
  const of = wanted === undefined ? 'Sessions of yours are' : `Each of your sessions (${sessions.length}) is`;
  const text = `${of} kept for ${formatDuration(forMs)} without a connection.\n`;
  return { json: { forMs: Number.isFinite(forMs) ? forMs : null, sessions: sessions.length }, text };
};

function durationOf(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value >= 1000) return parsed.value;
  throw refusal('E_SELF_SERVICE', `"${text}" is no duration of at least a second, such as 90m or 8h`);
}

const columns = [
  { header: 'KEPT' },
  { header: 'FROM' },
  { header: 'SINCE' },
  { header: 'LEFT' },
  { header: 'UNTIL' },
];

/** What @sessions adds: those that can be attached to. */
export async function keptSessions(asking: Asking, parts: WordParts): Promise<Answer> {
  const sessions = await kept(asking, parts);
  const rows = sessions.map(({ number, from, startedAt, leftAt, keptUntil }) => [
    String(number),
    from ?? '-',
    humanAgo(startedAt),
    leftAt === null ? 'attended' : humanAgo(leftAt),
    keptUntil ?? (leftAt === null ? '-' : 'for ever'),
  ]);
  return { json: sessions, text: rows.length === 0 ? '' : `\n${renderTable(columns, rows)}` };
}
