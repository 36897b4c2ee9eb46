// Fuzzes what the daemon writes of strangers' words, and what it reads back at its start.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect } from 'vitest';
import { journalEntry } from '../../../src/daemon/journal.ts';
import { LoginHistory } from '../../../src/daemon/login/history.ts';
import { KeptPolicy } from '../../../src/daemon/policy/kept-policy.ts';
import { createLogger } from '../../../src/lib/log.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { holds, hostileText, textOf } from '../lib/holds.ts';

/** As the journal reads it (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). */
function fieldsIn(data: Buffer): [name: string, value: string][] {
  const fields: [string, string][] = [];
  for (let at = 0; at < data.length; ) {
    const line = data.indexOf(10, at);
    expect(line).toBeGreaterThan(at);
    const head = data.subarray(at, line).toString();
    const equals = head.indexOf('=');
    if (equals >= 0) {
      fields.push([head.slice(0, equals), head.slice(equals + 1)]);
      at = line + 1;
      continue;
    }
    const end = line + 9 + Number(data.readBigUInt64LE(line + 1));
    fields.push([head, data.subarray(line + 9, end).toString()]);
    expect(data[end]).toBe(10);
    at = end + 1;
  }
  return fields;
}

const words = fc.oneof(hostileText, textOf('\n', 'MESSAGE=', 'PRIORITY=0\n', '_UID=0', 'x'));
holds(
  'no word of a stranger makes a field of the journal of its own',
  fc.property(
    words,
    words,
    fc.dictionary(fc.oneof(fc.string(), fc.constant('user')), words),
    (msg, user, more) => {
      const line = JSON.stringify({ ...more, level: 'warn', time: 'now', pid: 1, msg, user });
      const fields = fieldsIn(journalEntry(line));
      expect(fields.slice(0, 3)).toEqual([
        ['MESSAGE', Buffer.from(msg).toString()],
        ['PRIORITY', '4'],
        ['SYSLOG_IDENTIFIER', 'dockershd'],
      ]);
      for (const [name] of fields.slice(3)) expect(name).toMatch(/^DOCKERSH_[A-Z0-9_]*$/);
      expect(fields).toContainEqual(['DOCKERSH_USER', Buffer.from(user).toString()]);
    },
  ),
  1000,
);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-fuzz-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const main = '/etc/dockersh.ini';
const text = textOf('[defaults]', '\n', 'image = host', 'shell', '=', '/bin/sh', '"');
const copy = fc.oneof(
  fc.record({
    format: fc.constantFrom(1, 2),
    version: fc.string(),
    since: fc.constantFrom('2026-01-01T00:00:00.000Z', 'yesterday'),
    main: fc.constantFrom(main, '/elsewhere'),
    files: fc.array(fc.record({ file: fc.constantFrom(main, '/etc/other.ini'), text }), { maxLength: 3 }),
  }),
  fc.anything(),
);
holds(
  'a kept policy is in force whole, or refused with a reason',
  fc.asyncProperty(copy, fc.nat(300), async (content, cut) => {
    const whole = JSON.stringify(content) ?? '';
    await using policy = new KeptPolicy(folder, main, createLogger({ level: 'silent' }));
    await writeFile(policy.file, cut < 30 ? whole.slice(0, cut) : whole, { mode: 0o600 });
    const kept = await policy.read();
    if (!kept.ok) expect(kept.why).not.toBe('');
  }),
  300,
);

const times = fc.bigInt({ min: -10n, max: 2n ** 63n });
holds(
  'steps of a login are never negative, and no more logins are remembered than there is room for',
  fc.property(
    fc.array(fc.tuple(times, times, fc.array(times, { maxLength: 6 })), { maxLength: 20 }),
    (logins) => {
      const history = new LoginHistory();
      for (const [index, [startedNs, receivedNs, stepsNs]] of logins.entries()) {
        const id = String(index);
        history.begin(id, Uid.parse(1000), startedNs, receivedNs < 0n ? 0n : receivedNs);
        history.ended({
          id,
          uid: 1000,
          outcome: { kind: 'exit', code: 0 },
          failure: undefined,
          stepsNs,
        } as never);
      }
      for (const login of history.list({ limit: 1000 }))
        for (const { us } of login.steps) expect(us).toBeGreaterThanOrEqual(0);
    },
  ),
  200,
);
