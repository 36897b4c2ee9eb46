// Says where a user's home is inside. Pure.

import path from 'node:path';
import type { UserRecord } from '../addon.ts';

/** Fields of a passwd or group line that came from a user database; a colon or newline would add a field. */
export const field = (text: string): string => text.replaceAll(/[:\n\0]/g, '');

/** Where the home is inside: the usual path, or a plain one where the database names none that could be. */
export function homeInside(user: Pick<UserRecord, 'home' | 'name'>): string {
  const home = path.posix.normalize(user.home).replace(/(?<=.)\/$/, '');
  const top = home.split('/')[1] ?? '';
  const usable = home.startsWith('/') && !['', 'proc', 'sys', 'dev', 'etc', 'nonexistent'].includes(top);
  return usable ? home : `/home/${field(user.name).replaceAll('/', '_')}`;
}
