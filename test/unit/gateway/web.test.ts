// Tests of the pure parts of the web page's process: what a page may say, headers, and how somebody is led through a login.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { headersFor, isOwnOrigin, typeOf } from '../../../src/gateway/web/headers.ts';
import { WebLogin } from '../../../src/gateway/web/login.ts';
import { fromPage, mostUnshown, type ToPage } from '../../../src/lib/terminal/page-messages.ts';
import { fieldsOf, parseWire, textOf, type WireMessage, WireWriter } from '../../../src/lib/wire.ts';

describe('what a page says', () => {
  test.each([
    { kind: 'login', user: 'ada', size: [80, 24] },
    { kind: 'answers', answers: ['', 'gänsefüßchen'] },
    { kind: 'size', size: [1, 2000] },
    { kind: 'shown', bytes: 4096 },
  ])('is taken: %j', (message) => {
    expect(fromPage(JSON.stringify(message))).toEqual(message);
  });

  test.each([
    ['no JSON', '{'],
    ['nothing', 'null'],
    ['no kind', '{}'],
    ['another kind', '{"kind":"exec","user":"a"}'],
    ['no name', '{"kind":"login","user":"","size":[80,24]}'],
    ['a long name', `{"kind":"login","user":"${'a'.repeat(257)}","size":[80,24]}`],
    ['a name with a NUL', '{"kind":"login","user":"a\\u0000b","size":[80,24]}'],
    ['no size', '{"kind":"login","user":"ada"}'],
    ['a size of nothing', '{"kind":"size","size":[0,24]}'],
    ['half a column', '{"kind":"size","size":[80.5,24]}'],
    ['a huge size', '{"kind":"size","size":[80,2001]}'],
    ['a size of three', '{"kind":"size","size":[80,24,1]}'],
    ['too many answers', JSON.stringify({ kind: 'answers', answers: Array(17).fill('') })],
    ['a long answer', JSON.stringify({ kind: 'answers', answers: ['a'.repeat(1025)] })],
    ['an answer that is none', '{"kind":"answers","answers":[1]}'],
    ['nothing shown', '{"kind":"shown","bytes":0}'],
    ['too much shown', `{"kind":"shown","bytes":${mostUnshown * 3}}`],
  ])('is refused: %s', (_, text) => {
    expect(fromPage(text)).toBeUndefined();
  });

  test('is refused or taken, whatever it is', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const message = fromPage(text);
        expect(message === undefined || ['login', 'answers', 'size', 'shown'].includes(message.kind)).toBe(
          true,
        );
      }),
    );
  });
});

describe('headers', () => {
  test('allow nothing but what is this place’s, and no script or style in the text', () => {
    const policy = headersFor('host.example')['Content-Security-Policy'] ?? '';
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).not.toMatch(/unsafe|\*|https?:|data:|blob:/);
  });

  test('say that the host is to be reached by TLS alone where the page is at its usual port', () => {
    expect(headersFor('host.example')).toHaveProperty('Strict-Transport-Security');
    expect(headersFor('host.example:8443')).not.toHaveProperty('Strict-Transport-Security');
    expect(headersFor('[2001:db8::1]')).toHaveProperty('Strict-Transport-Security');
    expect(headersFor('[2001:db8::1]:8443')).not.toHaveProperty('Strict-Transport-Security');
  });

  test('name the type', () => {
    expect(typeOf('terminal.js')).toContain('javascript');
    expect(typeOf('other')).toContain('plain');
  });

  test.each([
    ['https://host.example', 'host.example', true],
    ['https://HOST.example:8443', 'host.example:8443', true],
    ['http://host.example', 'host.example', false],
    ['https://host.example:8443', 'host.example', false],
    ['https://evil.example', 'host.example', false],
    ['https://host.example.evil.example', 'host.example', false],
    ['null', 'host.example', false],
    [undefined, 'host.example', false],
    ['https://undefined', undefined, false],
  ])('a page of %s at %s', (origin, host, own) => {
    expect(isOwnOrigin(origin, host)).toBe(own);
  });
});

type Answer = readonly [
  code: number,
  text?: string | undefined,
  methods?: string | undefined,
  ...prompts: string[],
];

/** A login whose monitor gives these answers; what it was asked, and what the page was told. */
function login(methods: string, ...answers: Answer[]) {
  const asked: WireMessage[] = [];
  const said: ToPage[] = [];
  const state = { done: false };
  let next = 1;
  const monitor = {
    slot: () => next++,
    ask: async (slot: number, request: WireWriter) => {
      const message = parseWire(request.finish());
      if (message !== undefined) asked.push(message);
      const [code, text, left, ...prompts] = answers.shift() ?? [5, 'no more'];
      const answer = new WireWriter('gwAuthAnswer').u32('slot', slot).u32('code', code);
      if (text !== undefined) answer.text('text', text);
      if (left !== undefined) answer.text('gwMethods', left);
      for (const prompt of prompts) answer.text('gwPrompt', prompt);
      const made = parseWire(answer.finish());
      if (made === undefined) throw new Error('no message');
      return { message: made, fds: [] };
    },
  };
  const of = new WebLogin({
    monitor,
    methods,
    say: (message) => said.push(message),
    done: () => {
      state.done = true;
    },
  });
  return { of, asked, said, state };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a login', () => {
  test('by questions of PAM’s, one after another', async () => {
    const { of, asked, said, state } = login(
      'publickey,password,keyboard-interactive',
      [4, 'Welcome', undefined, '\0Password: '],
      [4, '', undefined, '\x01Code: ', '\0Again: '],
      [0],
    );
    expect(of.answer(['early'])).toBe(false);
    expect(of.begin('ada')).toBe(true);
    expect(of.begin('eve')).toBe(false);
    await settle();
    expect(said).toEqual([{ kind: 'ask', text: 'Welcome', prompts: [{ text: 'Password: ', echo: false }] }]);
    expect(of.answer(['pässword'])).toBe(true);
    expect(of.answer(['twice'])).toBe(false);
    await settle();
    expect(said[1]).toMatchObject({
      prompts: [
        { text: 'Code: ', echo: true },
        { text: 'Again: ', echo: false },
      ],
    });
    of.answer(['1', '2']);
    await settle();
    expect(state.done).toBe(true);
    expect(asked.map(({ type }) => type)).toEqual(['gwAuth', 'gwAnswers', 'gwAnswers']);
    expect(asked.slice(1).map((one) => fieldsOf(one, 'gwData').map(String))).toEqual([
      ['pässword'],
      ['1', '2'],
    ]);
    expect(textOf(asked[0] as WireMessage, 'user')).toBe('ada');
  });

  test('by a password, which is asked for again when it was wrong, until there have been too many', async () => {
    const { of, asked, said } = login('password', [2, undefined, 'password'], [5, 'Too many']);
    of.begin('ada');
    await settle();
    of.answer(['wrong']);
    await settle();
    of.answer(['wrong as well']);
    await settle();
    expect(said.map(({ kind }) => kind)).toEqual(['ask', 'say', 'ask', 'over']);
    expect(said[1]).toMatchObject({ wrong: true });
    expect(asked.map((one) => textOf(one, 'text'))).toEqual(['wrong', 'wrong as well']);
  });

  test('goes on with what is left after a first factor', async () => {
    const { of, asked, state } = login(
      'password',
      [1, undefined, 'keyboard-interactive'],
      [4, '', undefined, '\0?'],
      [0],
    );
    of.begin('ada');
    await settle();
    of.answer(['one']);
    await settle();
    of.answer(['two']);
    await settle();
    expect(asked.map((one) => textOf(one, 'kind') ?? one.type)).toEqual([
      'password',
      'keyboard-interactive',
      'gwAnswers',
    ]);
    expect(state.done).toBe(true);
  });

  test('says that there is no way without a key', async () => {
    const { of, said } = login('publickey');
    of.begin('ada');
    await settle();
    expect(said).toEqual([{ kind: 'over', text: expect.stringContaining('keys') }]);
  });
});
