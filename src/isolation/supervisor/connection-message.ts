// An ssh connection that joins a sandbox, as the supervisor takes it (MSG_CONNECTION, docs/protocol.md). Pure.

import * as z from 'zod';
import { WireWriter } from '../../lib/wire.ts';
import type { UserRecord } from '../addon.ts';
import type { ConnectionSpec } from '../engine.ts';
import { field } from '../sandbox/home-inside.ts';

/** What the daemon wants to know again about a connection after a restart; the supervisor keeps it unread. */
export const ConnectionNote = z.strictObject({
  startedAt: z.string(),
  from: z.string().optional(),
  auth: z.string().optional(),
  /** Absent: by sshd. */
  entry: z.enum(['gateway', 'web']).optional(),
});
export type ConnectionNote = z.infer<typeof ConnectionNote>;

/** What the supervisor has room for. */
const mostNoteBytes = 199;

/** What the sandbox adds to a connection that is asked for. */
export interface ConnectionPlace {
  readonly homeInside: string;
  /** Our run folder. */
  readonly run: string;
}

export function connectionNote({
  from,
  auth,
  entry,
}: Pick<ConnectionSpec, 'from' | 'auth' | 'entry'>): ConnectionNote {
  const note: ConnectionNote = {
    startedAt: new Date().toISOString(),
    ...(from === undefined ? {} : { from }),
    ...(entry === 'sshd' ? {} : { entry }),
  };
  const whole = { ...note, ...(auth === undefined ? {} : { auth }) };
  return Buffer.byteLength(JSON.stringify(whole)) <= mostNoteBytes ? whole : note;
}

export function connectionMessage(
  { id, user, mostConnections, clientFolder }: ConnectionSpec,
  note: ConnectionNote,
  { homeInside, run }: ConnectionPlace,
): Buffer {
  const writer = new WireWriter('connection').text('id', id);
  if (mostConnections !== null) writer.u32('mostSessions', mostConnections);
  writer.text('text', JSON.stringify(note)).text('account', passwdLine(user));
  for (const { gid, name } of user.groups)
    writer.text('accountGroup', `${plain(name)}:x:${gid}:${plain(user.name)}`);
  writer.text('homeInside', homeInside).text('clientFolder', clientFolder).text('run', run);
  return writer.finish(1);
}

/** `id` undefined: all of them. */
export const disconnectMessage = (id: string | undefined): Buffer =>
  new WireWriter('disconnect').text('id', id ?? '').finish();

const passwdLine = ({ name, uid, gid, gecos, home, shell }: UserRecord): string =>
  [plain(name), 'x', uid, gid, plain(gecos), plain(home), plain(shell)].join(':');

const plain = (text: string): string => field(text.replaceAll(/\p{Cc}/gu, ''));
