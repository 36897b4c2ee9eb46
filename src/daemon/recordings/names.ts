// Names recordings: RECORDINGS/UID-USER/TIME-SESSION.cast.zst. What is whose, and when it began, is said by the name alone, so that
// no list can be lost. Pure.

import { type Uid, uidIn } from '../../lib/values/uid.ts';

export interface RecordingName {
  readonly id: string;
  /** ISO 8601. */
  readonly startedAt: string;
}

const suffix = '.cast.zst';
const pattern = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-([\w-]{1,64})\.cast\.zst$/;

/** An account may be called anything, "DOMAIN\user" as well. */
export const folderName = (uid: Uid, user: string): string =>
  `${uid}-${encodeURIComponent(user).replaceAll('.', '%2E').slice(0, 200)}`;

export function ownerIn(folder: string): { readonly uid: Uid; readonly user: string } | undefined {
  const dash = folder.indexOf('-');
  const uid = uidIn(folder.slice(0, Math.max(dash, 0)));
  if (uid === undefined) return undefined;
  try {
    return { uid, user: decodeURIComponent(folder.slice(dash + 1)) };
  } catch {
    return undefined; // a URIError: no name of ours
  }
}

export const fileName = (id: string, startedMs: number): string =>
  `${new Date(startedMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-${id}${suffix}`;

export function recordingIn(file: string): RecordingName | undefined {
  const match = pattern.exec(file);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second, id = ''] = match.slice(1);
  return { id, startedAt: `${year}-${month}-${day}T${hour}:${minute}:${second}Z` };
}
