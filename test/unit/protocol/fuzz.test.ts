// Fuzzes what a login client and a caller of the admin socket may say, and what a client is answered.

import fc from 'fast-check';
import { expect } from 'vitest';
import { parseWire, type Tag, tags, WireWriter, textOf as wireTextOf } from '../../../src/lib/wire.ts';
import { adminRequest, adminVerbs } from '../../../src/protocol/admin.ts';
import { LoginRequest, loginError, parseLogin } from '../../../src/protocol/login.ts';
import { holds, hostileText, textOf } from '../lib/holds.ts';

const assignment = textOf('LC_ALL', 'TERM', '=', '\0', ' ', 'PATH=', 'é', '\n');
const anyField = fc.record({
  tag: fc.oneof(
    fc.constantFrom<Tag>('arg', 'env', 'execPath', 'umask', 'time'),
    fc.constantFrom(...(Object.keys(tags) as Tag[])),
  ),
  value: fc.oneof(
    fc.uint8Array({ maxLength: 24 }),
    assignment.map((text) => Buffer.from(text)),
  ),
});

holds(
  'a login is understood whole, or is none',
  fc.property(fc.array(anyField, { maxLength: 12 }), (fields) => {
    const writer = new WireWriter('login');
    for (const { tag, value } of fields) writer.bytes(tag, value);
    const login = parseLogin(writer.finish(3));
    if (login === undefined) return;
    expect(LoginRequest.safeParse(login).success).toBe(true);
    expect(login.args.length).toBe(fields.filter(({ tag }) => tag === 'arg').length);
    for (const text of [...login.args, ...login.env, login.execPath]) expect(text).not.toContain('\0');
    for (const entry of login.env) expect(entry).toMatch(/^[A-Za-z_]\w*=/);
    expect(login.umask).toBeLessThanOrEqual(0o777);
  }),
  1500,
);

holds(
  'a refusal has room in the client, whatever its text is',
  fc.property(
    fc.oneof(hostileText, fc.string({ unit: 'grapheme', minLength: 500, maxLength: 3000 })),
    (text) => {
      const answer = parseWire(loginError(text, 75));
      // native/login/main.c: show_text
      expect(answer?.fields.find(({ tag }) => tag === 'text')?.value.length).toBeLessThan(1024);
      if (answer !== undefined && Buffer.byteLength(text) <= 900)
        expect(wireTextOf(answer, 'text')).toBe(text);
    },
  ),
);

const verb = fc.oneof(fc.constantFrom(...Object.keys(adminVerbs), '__proto__', 'constructor'), fc.string());
const params = fc.oneof(
  fc.object(),
  fc.anything(),
  fc.dictionary(fc.constantFrom('user', 'name', 'id', 'path'), fc.anything()),
);
holds(
  'a request on the admin socket is one of the verbs with what it takes, or is refused',
  fc.property(verb, params, fc.constantFrom(1, 2, undefined), (name, given, version) => {
    const text = JSON.stringify({ version, verb: name, params: given });
    const parsed = adminRequest.safeParse(JSON.parse(text));
    if (parsed.success) expect(Object.hasOwn(adminVerbs, parsed.data.verb)).toBe(true);
    else expect(parsed.error.issues.length).toBeGreaterThan(0);
  }),
  1500,
);
