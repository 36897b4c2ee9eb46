// Gives every user's sandbox a machine-id(5) of its own: the same at each start, another than anybody else's, and none from
// which the host's could be told.

import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { UserRecord } from '../../isolation/engine.ts';
import { ifThere } from '../../lib/if-there.ts';

let host: Promise<string> | undefined;

export async function machineIdOf({ uid, name }: Pick<UserRecord, 'uid' | 'name'>): Promise<string> {
  host ??= hostMachineId();
  return derivedId(await host, uid, name);
}

async function hostMachineId(): Promise<string> {
  return (await ifThere(readFile('/etc/machine-id', 'latin1')))?.trim() || hostname();
}

/** As machine-id(5) wants it of whatever is made of a host's: keyed, and in the form of a UUID of version 4. */
export function derivedId(key: string, uid: number, name: string): string {
  const id = createHmac('sha256', key).update(`dockersh sandbox ${uid} ${name}`).digest().subarray(0, 16);
  id.writeUInt8((id.readUInt8(6) & 0x0f) | 0x40, 6);
  id.writeUInt8((id.readUInt8(8) & 0x3f) | 0x80, 8);
  return id.toString('hex');
}
