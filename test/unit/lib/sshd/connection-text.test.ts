// Descriptions of connections for "sshd -T -C".

import { expect, test } from 'vitest';
import { connectionText } from '../../../../src/lib/sshd/connection-text.ts';

test('has every attribute that a Match may ask for', () => {
  expect(connectionText('ada', '203.0.113.7')).toBe(
    'user=ada,host=203.0.113.7,addr=203.0.113.7,laddr=192.0.2.1,lport=22,rdomain=',
  );
  expect(connectionText('ada', '2001:db8::7')).toContain('addr=2001:db8::7,');
});

test('has an address that is nobody’s for one that is known by name alone', () => {
  expect(connectionText('ada', 'client.example')).toContain('host=client.example,addr=192.0.2.1,');
});

test.each([
  ['a,b', '203.0.113.7'],
  ['ada', 'x,user=root'],
  ['ada\n', '203.0.113.7'],
])('is none for %j from %j, which would be read as something else', (user, from) => {
  expect(connectionText(user, from)).toBeUndefined();
});
