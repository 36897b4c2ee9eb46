// A login as it is kept for the next daemon (records/ledger.ts). Pure.

import type * as z from 'zod';
import { Uid } from '../../lib/values/uid.ts';
import { adminLogin } from '../../protocol/admin.ts';

/** As dockershctl shows it, and the uid whose records it belongs to. */
export const KeptLogin = adminLogin.extend({
  whose: Uid,
  /** Missing in what an earlier version has kept. */
  entry: adminLogin.shape.entry.default(null),
});
export type KeptLogin = z.infer<typeof KeptLogin>;
