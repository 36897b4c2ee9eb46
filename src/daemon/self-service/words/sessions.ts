// @sessions: the sessions of the user's sandbox.

import { humanAgo } from '../../../lib/text/human.ts';
import { renderTable } from '../../../lib/text/table.ts';
import type { WordHandler } from '../asking.ts';
import { keptSessions } from './kept.ts';

const columns = [{ header: 'SESSION' }, { header: 'TERMINAL' }, { header: 'FROM' }, { header: 'SINCE' }];

export const sessions: WordHandler = async (asking, parts) => {
  const { admin } = parts;
  const [sandbox] = await admin.engine.list(asking.user.uid);
  const all = (sandbox?.sessions ?? []).map(({ id, tty, from, startedAt }) => ({ id, tty, from, startedAt }));
  const kept = await keptSessions(asking, parts);
  const rows = all.map(({ id, tty, from, startedAt }) => [id, tty ?? '-', from ?? '-', humanAgo(startedAt)]);
  const text = all.length === 0 ? 'You have no session.\n' : renderTable(columns, rows);
  return { json: { sessions: all, kept: kept.json }, text: `${text}${kept.text}` };
};
