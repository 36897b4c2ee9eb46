// Names a session or connection wherever something is told of it. Pure.

import type { Uid } from '../../lib/values/uid.ts';

/** A session, as it is told of from beginning to end. */
export interface Told {
  readonly session: string;
  readonly uid: Uid;
  readonly user?: string | undefined;
  readonly from?: string | undefined;
}
