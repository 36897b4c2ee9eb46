// Tests of the log as entries of systemd's journal.

import { expect, test, vi } from 'vitest';
import { journalEntry, journalIsOurs, journalStream } from '../../../src/daemon/journal.ts';
import { loggerTo } from '../../../src/lib/log.ts';

const line = (entry: object): string => `${JSON.stringify({ level: 'info', pid: 1, time: 'x', ...entry })}\n`;

test('every property becomes a field', () => {
  const entry = journalEntry(
    line({ msg: 'session ended', uid: 1000, user: 'ada', imageDigest: 'sha256:0', steps: [1, 2] }),
  );
  expect(entry.toString().split('\n')).toEqual([
    'MESSAGE=session ended',
    'PRIORITY=6',
    'SYSLOG_IDENTIFIER=dockershd',
    'DOCKERSH_UID=1000',
    'DOCKERSH_USER=ada',
    'DOCKERSH_IMAGE_DIGEST=sha256:0',
    'DOCKERSH_STEPS=[1,2]',
    '',
  ]);
});

test('a value with a line break can not become a field of its own', () => {
  const entry = journalEntry(line({ msg: 'x', user: 'a\nPRIORITY=0' }));
  const value = Buffer.from('a\nPRIORITY=0');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  const field = Buffer.concat([Buffer.from('DOCKERSH_USER\n'), length, value, Buffer.from('\n')]);
  expect(entry.subarray(-field.length).equals(field)).toBe(true);
  const message = journalEntry(line({ msg: 'one\ntwo' }));
  expect(message.subarray(0, 24).toString('latin1')).toBe(`MESSAGE\n\u0007${'\0'.repeat(7)}one\ntwo\n`);
});

test('a name of a property can not become a field of the journal', () => {
  expect(journalEntry(line({ msg: 'x', 'a=b\nC': 'y' })).toString()).toContain('\nDOCKERSH_A_B_C=y\n');
});

test('a failure is in the message, and counts as one', () => {
  const entry = journalEntry(
    line({ level: 'error', msg: 'clean-up failed', err: { message: 'EBUSY', code: 'E' } }),
  );
  expect(entry.toString()).toContain('MESSAGE=clean-up failed: EBUSY\nPRIORITY=3\n');
  expect(entry.toString()).toContain('DOCKERSH_ERR={"message":"EBUSY","code":"E"}\n');
});

test('a long value is cut', () => {
  expect(journalEntry(line({ msg: 'x', text: 'y'.repeat(100_000) })).length).toBeLessThan(20_000);
});

test('what the journal does not take goes to standard error with its priority', () => {
  const written: string[] = [];
  const write = vi
    .spyOn(process.stderr, 'write')
    .mockImplementation((text) => written.push(String(text)) > 0);
  try {
    const failing = (): never => {
      throw new Error('EMSGSIZE');
    };
    loggerTo(journalStream(failing), 'info').warn({ uid: 7 }, 'careful');
  } finally {
    write.mockRestore();
  }
  expect(written.join('')).toMatch(/^<4>\{.*"uid":7.*"msg":"careful"\}\n$/);
});

test('the journal is ours only where standard error is its stream', () => {
  expect(journalIsOurs({})).toBe(false);
  expect(journalIsOurs({ JOURNAL_STREAM: '1:2' })).toBe(false);
});
