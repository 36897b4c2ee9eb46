// Lists the routes of this host by ip(8), for commands that tell which addresses are taken.

import * as z from 'zod';
import { type Cidr, parseCidr } from '../../lib/network/address.ts';
import { runCommand } from './command.ts';

export interface Route {
  /** undefined: the default route. */
  readonly to: Cidr | undefined;
  readonly device: string;
  /** Made known by a router (router advertisements). */
  readonly advertised: boolean;
}

const Listed = z.array(
  z.object({ dst: z.string(), dev: z.string().optional(), protocol: z.string().optional() }),
);

/** Undefined: ip is not there, or says nothing that can be read. */
export async function routesOf(family: 4 | 6): Promise<readonly Route[] | undefined> {
  const finished = await runCommand('ip', [`-${family}`, '-j', 'route', 'show']);
  if (finished?.status !== 0) return undefined;
  const text = finished.stdout.toString().trim();
  const parsed = Listed.safeParse(text === '' ? [] : JSON.parse(text));
  return parsed.success ? parsed.data.flatMap(routeOf) : undefined;
}

function routeOf({ dst, dev = '', protocol }: z.infer<typeof Listed>[number]): Route[] {
  const advertised = protocol === 'ra';
  if (dst === 'default') return [{ to: undefined, device: dev, advertised }];
  const block = parseCidr(dst);
  return block.ok ? [{ to: block.value, device: dev, advertised }] : [];
}
