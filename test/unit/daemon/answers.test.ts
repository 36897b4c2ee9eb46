// Reads the kernel's table of TCP connections (tcpStatesIn).

import { describe, expect, it } from 'vitest';
import { tcpStatesIn } from '../../../src/daemon/kept/answers.ts';

const heading =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

describe('the table of connections', () => {
  it('says of established ones what the other end owes', () => {
    const text = `${heading}   0: 0200A8C0:0016 076033C6:C350 01 00000024:00000000 01:0000001A 00000002     0        0 5 2 f 20 4 30 10 -1
   1: 0200A8C0:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 6 1 f 100 0 0 10 0
   2: 0200A8C0:0016 086033C6:C351 01 00000000:00000000 02:000A0000 00000000     0        0 7 2 f 20 4 30 10 -1
`;
    const ends = new Set(['198.51.96.7 50000', '198.51.96.8 50001', '198.51.96.9 50001', '198.51.96.7 22']);
    expect([...tcpStatesIn(text, ends)]).toEqual([
      ['198.51.96.7 50000', { owed: 0x24, retransmits: 2 }],
      ['198.51.96.8 50001', { owed: 0, retransmits: 0 }],
    ]);
  });

  it('writes IPv6 addresses as sshd does, and IPv4 ones in them as what they are', () => {
    const line = (remote: string): string =>
      `   0: B80D0120000000000000000001000000:0016 ${remote}:C350 01 00000001:00000000 01:1A 00000001 0 0 5\n`;
    const remotes = [
      'B80D0120000001000000000002000000',
      '0000000000000000FFFF0000076033C6',
      '00000000000000000000000001000000',
    ];
    const ends = ['2001:db8:1::2 50000', '198.51.96.7 50000', '::1 50000'];
    expect([...tcpStatesIn(heading + remotes.map(line).join(''), new Set(ends)).keys()]).toEqual(ends);
  });

  it('reads nothing into an empty one', () => {
    const ends = new Set(['::1 50000']);
    expect(tcpStatesIn('', ends).size).toBe(0);
    expect(tcpStatesIn(heading, ends).size).toBe(0);
  });
});
