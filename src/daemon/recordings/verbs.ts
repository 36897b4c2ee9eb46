// The admin verbs about recordings of sessions.

import { DockershError } from '../../lib/errors.ts';
import { uidIn } from '../../lib/values/uid.ts';
import type { recordingVerbs } from '../../protocol/admin-recordings.ts';
import type { AdminParts, Handlers } from '../admin/parts.ts';
import type { Recording, Recordings } from './recordings.ts';

export function recordingHandlers({ recordings }: AdminParts): Handlers<keyof typeof recordingVerbs> {
  return {
    'recordings.ls': async ({ user, limit = 1000, ...filter }) => {
      const uid = user === undefined ? undefined : uidIn(user);
      const found = await recordings.list({ ...filter, uid, user });
      const sizeBytes = found.reduce((sum, one) => sum + one.sizeBytes, 0);
      return { recordings: found.slice(0, limit), count: found.length, sizeBytes };
    },
    'recordings.rm': async ({ ids }) => {
      const found: Recording[] = [];
      for (const id of ids) found.push(await ended(recordings, id));
      for (const one of found) await recordings.remove(one);
      return { removed: found };
    },
  };
}

/** Throws E_NOT_FOUND, E_BUSY. */
async function ended(recordings: Recordings, id: string): Promise<Recording> {
  const [recording] = await recordings.list({ id });
  if (recording === undefined)
    throw new DockershError('E_NOT_FOUND', { what: `recording ${id}`, why: 'there is none of that session' });
  if (recording.endedAt === null)
    throw new DockershError('E_BUSY', { what: `recording ${id}`, why: 'its session goes on' });
  return recording;
}
