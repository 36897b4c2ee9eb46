// Tests of what a supervisor is told of an ssh connection, and says of it.

import { expect, test } from 'vitest';
import type { ConnectionSpec } from '../../../src/isolation/engine.ts';
import { stateOf } from '../../../src/isolation/supervisor/answers.ts';
import { connectionMessage, connectionNote } from '../../../src/isolation/supervisor/connection-message.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { fieldsOf, parseWire, textOf, u32Of, WireWriter } from '../../../src/lib/wire.ts';

const spec: ConnectionSpec = {
  id: 'abc',
  user: {
    uid: Uid.parse(1000),
    gid: 100,
    name: 'ada',
    home: '/home/ada',
    shell: '/usr/bin/dockersh',
    gecos: 'Ada:L\n\x1b,',
    groups: [
      { gid: 100, name: 'users' },
      { gid: 7, name: 'a:b\nroot' },
    ],
  },
  mostConnections: 3,
  clientFolder: '/usr/bin',
  from: '192.0.2.1',
  auth: 'password',
  entry: 'sshd',
};
const place = { homeInside: '/home/ada', run: '/run/dockersh' };

test('lines of passwd and group hold one account each, whatever the directory says', () => {
  const message = parseWire(connectionMessage(spec, connectionNote(spec), place));
  if (message === undefined) throw new Error('no message');
  expect(textOf(message, 'account')).toBe('ada:x:1000:100:AdaL,:/home/ada:/usr/bin/dockersh');
  expect(fieldsOf(message, 'accountGroup').map(String)).toEqual(['users:x:100:ada', 'abroot:x:7:ada']);
  expect(u32Of(message, 'mostSessions')).toBe(3);
  expect(textOf(message, 'run')).toBe('/run/dockersh');
  expect(message.fields.some(({ tag }) => tag === 'clientFolder')).toBe(true);
});

test('a note has room in a supervisor, and comes back', () => {
  const long = connectionNote({ from: 'x'.repeat(64), auth: 'y'.repeat(140), entry: 'gateway' });
  expect(Buffer.byteLength(JSON.stringify(long))).toBeLessThan(200);
  const note = connectionNote(spec);
  expect(note).toMatchObject({ from: '192.0.2.1', auth: 'password' });
  const state = parseWire(
    new WireWriter('state')
      .text('state', 'running')
      .text('connectionOpen', `abc\0${JSON.stringify(note)}`)
      .text('connectionOpen', 'def\0{"of": "another version"}')
      .finish(),
  );
  if (state === undefined) throw new Error('no message');
  expect(stateOf(state).connections).toEqual([
    { id: 'abc', note },
    { id: 'def', note: { startedAt: new Date(0).toISOString() } },
  ]);
});
