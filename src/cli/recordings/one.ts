// Finds the recording of one session.

import { DockershError } from '../../lib/errors.ts';
import type { AdminRecording } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

/** Throws E_NOT_FOUND. */
export async function recordingOf(cli: Console, id: string): Promise<AdminRecording> {
  const { recordings } = await cli.call('recordings.ls', { id });
  const [recording] = recordings;
  if (recording !== undefined) return recording;
  throw new DockershError('E_NOT_FOUND', {
    what: `recording ${id}`,
    why: 'there is none of that session',
    hint: 'dockershctl recordings ls shows what there is.',
  });
}
