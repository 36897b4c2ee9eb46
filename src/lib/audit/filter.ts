// Chooses lines of the audit trail, without parsing those that cannot be meant: a trail has millions.

import { linkOf } from './chain.ts';
import type { FileLine } from './files.ts';

export interface AuditFilter {
  /** A name, or a uid in digits. */
  readonly user?: string | undefined;
  readonly from?: string | undefined;
  readonly event?: string | undefined;
  readonly session?: string | undefined;
  /** Those that were refused or failed. */
  readonly failed?: boolean | undefined;
  /** ISO 8601, as the lines have it. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** What a line tells, as it stands there. */
export type AuditLine = Readonly<Record<string, unknown>> & {
  readonly seq: number;
  readonly at: string;
  readonly event: string;
};

/** Returns what tells whether a line is wanted, and what it says then. */
export function chooser(filter: AuditFilter): (line: FileLine) => AuditLine | undefined {
  const { user, from, event, session, since, until } = filter;
  // What such a line must have in it, as JSON.stringify writes it.
  const needles = [
    // Digits are a uid, or the name of somebody who has one like that.
    ...(user === undefined ? [] : [/^\d+$/.test(user) ? user : JSON.stringify(user)]),
    ...[from, event, session].flatMap((text) => (text === undefined ? [] : [JSON.stringify(text)])),
    ...(filter.failed === true ? ['"code":"'] : []),
  ].map((text) => Buffer.from(text));
  return ({ text, isWhole }) => {
    if (!isWhole || !needles.every((needle) => text.includes(needle))) return undefined;
    const line = text.toString('utf8');
    const at = timeOf(line);
    if (at !== undefined && ((since !== undefined && at < since) || (until !== undefined && at >= until)))
      return undefined;
    if (linkOf(line) === undefined) return undefined;
    const entry = JSON.parse(line) as AuditLine;
    return isWanted(entry, filter) ? entry : undefined;
  };
}

/** The links come first in a line (chain.ts). */
const timeOf = (line: string): string | undefined => /^\{"seq":\d+,"at":"([^"]+)"/.exec(line)?.[1];

function isWanted(
  entry: AuditLine,
  { user, from, event, session, failed, since, until }: AuditFilter,
): boolean {
  return (
    (user === undefined || entry['user'] === user || String(entry['uid']) === user) &&
    (from === undefined || entry['from'] === from) &&
    (event === undefined || entry.event === event) &&
    (session === undefined || entry['session'] === session) &&
    (failed !== true || typeof entry['code'] === 'string') &&
    (since === undefined || entry.at >= since) &&
    (until === undefined || entry.at < until)
  );
}
