// Tries what a client and the monitor say to each other through a connection process, with a double of the monitor: what is
// asked of it, whole, and what the client is told.

import { createPublicKey, verify } from 'node:crypto';
import ssh2, { type ConnectConfig } from 'ssh2';
import { afterEach, describe, expect, it } from 'vitest';
import { ed25519Key } from '../../fixtures/gateway/host-keys.ts';
import { type AuthAsked, MonitorDouble, type Verdict } from '../../fixtures/gateway/monitor-double.ts';

const { Client, utils } = ssh2;
const hostKey = ed25519Key();
let double: MonitorDouble | undefined;

afterEach(async () => {
  await double?.[Symbol.asyncDispose]();
  double = undefined;
});

interface Outcome {
  readonly asked: readonly AuthAsked[];
  readonly banners: readonly string[];
  readonly error: string | undefined;
}

type Prompted = (prompts: readonly string[]) => string[];

async function login(
  decide: (asked: AuthAsked) => Verdict,
  config: ConnectConfig,
  { banner, prompted }: { banner?: string; prompted?: Prompted } = {},
): Promise<Outcome> {
  const asked: AuthAsked[] = [];
  const banners: string[] = [];
  double = await MonitorDouble.start({
    keys: [hostKey],
    ...(banner === undefined ? {} : { banner }),
    decide: (one) => {
      asked.push(one);
      return decide(one);
    },
  });
  const client = new Client();
  client.on('banner', (text) => banners.push(text));
  client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
    finish(prompted?.(prompts.map(({ prompt }) => prompt)) ?? []),
  );
  const error = await new Promise<string | undefined>((resolve) => {
    client.on('ready', () => resolve(undefined));
    client.on('error', ({ message }) => resolve(message));
    client.connect({ host: '127.0.0.1', port: double?.port ?? 0, username: 'ada', ...config });
  });
  client.end();
  return { asked, banners, error };
}

const refuse: Verdict = { code: 2, methods: 'publickey,password,keyboard-interactive' };

describe('authentication', () => {
  it('asks the monitor with what the client has signed, whole', async () => {
    const pair = utils.generateKeyPairSync('ed25519');
    const { asked, error } = await login(
      ({ kind, signature }) => (kind === 'publickey' ? { code: signature === undefined ? 3 : 0 } : refuse),
      { privateKey: pair.private },
    );
    expect(error).toBeUndefined();
    expect(asked.map(({ kind }) => kind)).toEqual(['none', 'publickey', 'publickey']);
    const [, wouldDo, signed] = asked;
    expect(wouldDo).toMatchObject({
      user: 'ada',
      algorithm: 'ssh-ed25519',
      data: undefined,
      signature: undefined,
    });
    const key = signed?.key ?? Buffer.alloc(0);
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.subarray(-32)]);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const signature = signed?.signature?.subarray(-64) ?? Buffer.alloc(0);
    const data = signed?.data ?? Buffer.alloc(0);
    expect(verify(null, data, publicKey, signature)).toBe(true);
    // The session id in front, which is a SHA-256 here, and then the request.
    expect(data.subarray(0, 4)).toEqual(Buffer.from([0, 0, 0, 32]));
    expect(data[36]).toBe(50);
    expect(data.includes('ssh-connection')).toBe(true);
  });

  it('passes a password on, and the reason of a refusal back', async () => {
    const { asked, banners, error } = await login(
      ({ password }) => (password === 'sésame' ? { code: 0, text: 'Your password expires.' } : refuse),
      { password: 'sésame' },
      { banner: 'Staff only.\n' },
    );
    expect(error).toBeUndefined();
    expect(asked.at(-1)).toMatchObject({ kind: 'password', password: 'sésame' });
    expect(banners).toEqual(['Staff only.\n', 'Your password expires.\n']);
  });

  it('asks one method after another', async () => {
    const { asked, error } = await login(
      ({ kind, password, answers }) => {
        if (password === 'one') return { code: 1, methods: 'keyboard-interactive' };
        if (kind === 'keyboard-interactive') return { code: 4, prompts: [{ prompt: 'Code: ', echo: true }] };
        if (kind === 'answers' && answers[0] === '123') return { code: 4, prompts: [] };
        if (kind === 'answers') return { code: 0 };
        return refuse;
      },
      { password: 'one', tryKeyboard: true },
      { prompted: (prompts) => prompts.map((prompt) => (prompt === 'Code: ' ? '123' : 'what?')) },
    );
    expect(error).toBeUndefined();
    expect(asked.map(({ kind, answers }) => [kind, answers])).toEqual([
      ['none', []],
      ['password', []],
      ['keyboard-interactive', []],
      ['answers', ['123']],
      ['answers', []],
    ]);
  });

  it('ends the connection when the monitor says so', async () => {
    const { error, asked } = await login(() => ({ code: 5, text: 'Too many attempts.' }), { password: 'x' });
    expect(error).toMatch(/Too many attempts/);
    expect(asked).toHaveLength(1);
  });
});
