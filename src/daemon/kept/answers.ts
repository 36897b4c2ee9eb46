// Finds sessions whose connection is dead without anybody having noticed: a laptop that has left its network closes nothing, and sshd
// waits. What makes the difference is whether the other end acknowledges what is sent to it, which the kernel's table of
// connections says (proc_net_tcp in the kernel's documentation).

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeptSession, KeptSessions } from '../../isolation/engine.ts';
import { hasErrno } from '../../lib/errors.ts';
import { addressFrom } from '../../lib/network/address.ts';
import type { Uid } from '../../lib/values/uid.ts';

/** What the other end of a TCP connection owes us. */
export interface TcpState {
  /** Bytes that it has not acknowledged. */
  readonly owed: number;
  /** How often what it has not acknowledged was sent again in vain. */
  readonly retransmits: number;
}

/**
 * When the table is looked at after something was sent, in ms: soon, because whoever has several windows waits for it at each
 * login; and for the last time when a line that is merely slow has answered.
 */
const looksAtMs = [60, 180, 420, 900, 1900];

/** Those of the sessions that somebody is at by connections alone which do not answer. */
export async function unanswered(
  kept: Pick<KeptSessions, 'touch'>,
  uid: Uid,
  sessions: readonly KeptSession[],
): Promise<KeptSession[]> {
  let waiting = sessions.filter((session) => session.keeps && endsOf(session).length > 0);
  for (const { id } of waiting) kept.touch(uid, id);
  let beganMs = 0;
  for (const ms of looksAtMs) {
    if (waiting.length === 0) return [];
    await sleep(ms - beganMs);
    beganMs = ms;
    const states = await tcpStates(new Set(waiting.flatMap(endsOf)));
    const isLast = ms === looksAtMs.at(-1);
    waiting = waiting.filter((session) => {
      const known = endsOf(session).flatMap((end) => states.get(end) ?? []);
      return (
        known.length > 0 && known.every(({ owed, retransmits }) => owed > 0 && (!isLast || retransmits > 0))
      );
    });
  }
  return waiting;
}

/** Where those are who are at it as its user: "ADDRESS PORT". */
function endsOf({ leftAt, from, port, viewers }: KeptSession): string[] {
  if (leftAt !== null) return [];
  const attached = viewers.filter(({ looks }) => looks === 'attach');
  return [{ from, port }, ...attached].flatMap((end) =>
    end.from === null || end.port === null ? [] : [`${end.from} ${end.port}`],
  );
}

/** By the other end, as `ends` has them, of the host's TCP connections. */
async function tcpStates(ends: ReadonlySet<string>): Promise<Map<string, TcpState>> {
  const tables = await Promise.all(['tcp', 'tcp6'].map(readTable));
  return new Map(tables.flatMap((text) => [...tcpStatesIn(text, ends)]));
}

async function readTable(name: string): Promise<string> {
  try {
    return await readFile(`/proc/net/${name}`, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return ''; // a kernel without IPv6
  }
}

/**
 * Established ones of those that lead to one of the `ends`, "ADDRESS PORT", in the text of /proc/net/tcp or tcp6. A host may have
 * many thousands: what is not asked for is passed over. Pure.
 */
export function tcpStatesIn(text: string, ends: ReadonlySet<string>): Map<string, TcpState> {
  const states = new Map<string, TcpState>();
  const ports = [...ends].map((end) => Number(end.split(' ')[1]).toString(16).toUpperCase().padStart(4, '0'));
  const line = new RegExp(
    `^ *\\d+: \\S+ ([\\dA-F]+):(${ports.join('|')}) 01 ([\\dA-F]+):\\S+ \\S+ ([\\dA-F]+) `,
    'gm',
  );
  for (const [, address = '', port = '', owed = '', retransmits = ''] of text.matchAll(line)) {
    const end = `${addressOf(address)} ${Number.parseInt(port, 16)}`;
    if (!ends.has(end)) continue;
    states.set(end, { owed: Number.parseInt(owed, 16), retransmits: Number.parseInt(retransmits, 16) });
  }
  return states;
}

/** Of words of 32 bits, each as the machine has it: little-endian ones. An IPv4 address in an IPv6 one is what it is. */
function addressOf(hex: string): string {
  const value = BigInt(`0x0${(hex.match(/.{8}/g) ?? []).map(reversed).join('')}`);
  const isMapped = value >> 32n === 0xffffn;
  return addressFrom(hex.length === 8 || isMapped ? 4 : 6, value).address;
}

const reversed = (word: string): string => (word.match(/../g) ?? []).reverse().join('');
