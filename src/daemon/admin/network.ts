// Answers the admin verb about private networks.

import type { Networks } from './parts.ts';

/** Private networks are not made yet. */
export const noNetworks: Networks = async () => ({
  default: 'none',
  pools: [],
  lacks: [],
  users: [],
  refused: [],
});
