// Writes published ports as "publish" of the policy has them.

import type { AdminNetwork } from '../../protocol/admin.ts';

/** As "publish" has it: "127.0.0.1:8080:80". */
export function publishedText({
  protocol,
  address,
  first,
  last,
  inside,
}: AdminNetwork['published'][number]): string {
  const host = address.includes(':') ? `[${address}]` : address;
  const range = (from: number): string => (first === last ? `${from}` : `${from}-${from + last - first}`);
  return `${host}:${range(first)}:${range(inside)}${protocol === 'tcp' ? '' : `/${protocol}`}`;
}
