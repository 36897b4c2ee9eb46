// Writes published ports as "publish" of the policy has them.

import type { AdminNetwork } from '../../protocol/admin.ts';

/** As "publish" has it: "127.0.0.1:8080:80". */
function publishedText({
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

export function missingText({ address, port, protocol }: AdminNetwork['missing'][number]): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}/${protocol}`;
}

/** All of a sandbox's, with those that it does not have. */
export function portsText({ published, missing }: Pick<AdminNetwork, 'published' | 'missing'>): string {
  const all = published.map(publishedText).join(' ') || '-';
  return missing.length === 0 ? all : `${all} (without ${missing.map(missingText).join(' ')})`;
}
