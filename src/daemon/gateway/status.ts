// Reads what the gateway's listener says of itself (native/gateway/status.c).

import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { ifThere } from '../../lib/if-there.ts';
import { type AdminGateway, adminGateway } from '../../protocol/admin-gateway.ts';

/** It writes every ten seconds. */
const freshMs = 30_000;

const told = z.strictObject({ ...adminGateway.shape, startedAt: z.int().nonnegative() });

/** null: it does not run, or nobody has heard of it for a while. */
export async function gatewayStatus(run: string): Promise<AdminGateway | null> {
  const file = path.join(run, 'gateway.status');
  const found = await ifThere(Promise.all([readFile(file, 'utf8'), stat(file)]));
  if (found === undefined) return null;
  const [text, { mtimeMs }] = found;
  const parsed = told.safeParse(jsonOf(text));
  if (!parsed.success || Date.now() - mtimeMs > freshMs) return null;
  return { ...parsed.data, startedAt: new Date(parsed.data.startedAt * 1000).toISOString() };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // of another version
  }
}
