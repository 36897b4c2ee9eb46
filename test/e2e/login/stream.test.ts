// Standard streams: binary, unbounded, closed at either end on its own, slow.

import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../fixtures/leaks.ts';
import { control } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

/** For a longer run by hand: DOCKERSH_E2E_STREAM_BYTES=8589934592. */
const largeBytes = process.env['DOCKERSH_E2E_STREAM_BYTES'] ?? String(256 * 1024 * 1024);

const lines = 10_000_000;

function hash(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

describe.each(everyMode)('as %s', (mode) => {
  it('passes random bytes through cat unchanged', async () => {
    const input = randomBytes(8 * 1024 * 1024);
    const result = await world().login(mode).ssh('cat', { input });
    expect(hash(result.stdout)).toBe(hash(input));
    expect(result.code).toBe(0);
  });

  it('takes and gives random bytes, each way alone', async () => {
    const login = world().login(mode);
    const input = randomBytes(3_000_001);
    const up = await login.ssh('sha256sum', { input });
    expect(up.stdout.toString()).toBe(`${hash(input)}  -\n`);
    const down = await login.ssh('head -c 3000001 /dev/urandom | tee >(sha256sum >&2)');
    expect(down.stderr.toString()).toBe(`${hash(down.stdout)}  -\n`);
    expect(down.stdout.length).toBe(3_000_001);
  });

  it('passes a large stream both ways', async () => {
    const script = `head -c "$1" /dev/urandom | tee >(sha256sum >&2) | $SSH "$HOST" cat | sha256sum`;
    const result = await world().login(mode).script(script, [largeBytes], { timeoutMs: 110_000 });
    expect(result.stdout.toString()).toBe(result.stderr.toString());
    expect(result.code).toBe(0);
  });

  it('ends input at the end of file, and goes on with output', async () => {
    const result = await world()
      .login(mode)
      .ssh('cat; for i in 1 2 3; do sleep 0.2; echo late $i; done; exit 4', { input: 'all of it' });
    expect(result.stdout.toString()).toBe('all of itlate 1\nlate 2\nlate 3\n');
    expect(result.code).toBe(4);
  });

  it('lets a program close its output early and read on', async () => {
    const input = randomBytes(1_000_000);
    const result = await world().login(mode).ssh('exec >&-; wc -c >&2; exit 5', { input });
    expect(result.stderr.toString().trim()).toBe('1000000');
    expect(result.stdout.length).toBe(0);
    expect(result.code).toBe(5);
  });

  it('ends when the program ends, though its input is still open or unread', async () => {
    const login = world().login(mode);
    await using open = login.start('exit 6');
    expect((await open.finished()).code).toBe(6);
    expect((await login.ssh('exit 7', { input: randomBytes(4_000_000) })).code).toBe(7);
  });

  it('tells the program when nobody reads any more', async () => {
    const script = '$SSH "$HOST" yes | head -c 100000 | wc -c';
    const result = await world().login(mode).script(script);
    expect(result.stdout.toString().trim()).toBe('100000');
  });

  it('carries answers back and forth without waiting for a full buffer', async () => {
    await using command = world().login(mode).start('while read -r line; do echo "<$line>"; done');
    for (const word of ['one', 'two', 'three']) {
      command.process.stdin?.write(`${word}\n`);
      await command.waitForOutput(`<${word}>`);
    }
    command.process.stdin?.end();
    expect((await command.finished()).code).toBe(0);
  });

  it(`brings ${lines} numbered lines through a pipe whole`, async () => {
    const script = `cmp <($SSH "$HOST" "seq ${lines}"; echo $?) <(seq ${lines}; echo 0)`;
    const result = await world().login(mode).script(script, [], { timeoutMs: 110_000 });
    expect(result).toMatchObject({ code: 0, signal: null });
  });

  it(`brings ${lines} numbered lines through a terminal whole`, async () => {
    const script = `cmp <($SSH -tt "$HOST" "seq ${lines}; exit 9"; echo $?) <(seq ${lines} | sed 's/$/\\r/'; echo 9)`;
    const result = await world().login(mode).script(script, [], { timeoutMs: 110_000 });
    expect(result.stderr.toString() + result.stdout.toString()).toBe('');
    expect(result.code).toBe(0);
  });

  it.each([
    ['a pipe', []],
    ['a terminal', ['-tt']],
  ])('makes a fast writer wait for a slow reader, through %s', async (_name, options) => {
    const login = world().login(mode);
    await using command = login.start(`yes ${'x'.repeat(99)} | head -c 60000000`, options);
    const { stdout } = command.process;
    if (stdout === null) throw new Error('stdout is piped');
    stdout.removeAllListeners('data');
    let read = 0;
    let slow = true;
    stdout.on('data', (data: Buffer) => {
      read += data.length;
      if (!slow) return;
      stdout.pause();
      setTimeout(() => stdout.resume(), 5);
    });
    await waitUntil(() => read > 1_000_000, 'the first megabyte');
    const early = memoryOf(login.host.scope);
    await waitUntil(() => read > 5_000_000, 'five megabytes');
    const late = memoryOf(login.host.scope);
    slow = false;
    expect((await command.finished()).code).toBe(0);
    const expected = options.length === 0 ? 60_000_000 : 60_600_000; // \n becomes \r\n
    expect(read).toBe(expected);
    if (!control) expect(late - early).toBeLessThan(8 * 1024 * 1024);
  });
});

it('brings numbered lines whole to a terminal of node-pty', async () => {
  await using terminal = world().login('shell').directTerminal(['-c', 'seq 1000000; echo the-end']);
  await terminal.exited();
  await waitUntil(() => terminal.text.endsWith('the-end\r\n'), 'the last line');
  const expected = Array.from({ length: 1_000_000 }, (_, index) => `${index + 1}\r\n`).join('');
  expect(hash(Buffer.from(terminal.text))).toBe(hash(Buffer.from(`${expected}the-end\r\n`)));
});
