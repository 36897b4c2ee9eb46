// Compares what a client sees of a refusal through the gateway with what it sees through sshd with our PAM module: words and exit status are the same.

import { afterEach, describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell', 'gateway'], module: true });

describe.skipIf(control)('a login that is refused', () => {
  afterEach(async () => {
    await world().host.ctlOk('maintenance', 'off');
  });

  it.each([
    ['a command', []],
    ['a terminal', ['-tt']],
  ])('ends %s as through sshd', async (_what, options) => {
    await world().host.ctlOk('maintenance', 'on', '--message', 'new disks');
    const seen = [];
    for (const mode of ['shell', 'gateway'] as const) {
      const { code, stdout, stderr } = await world().login(mode).ssh('echo ran', { options });
      const text = `${stdout.toString()}${stderr.toString()}`;
      const words = text.split(/\r?\n/).filter((line) => /maintenance/.test(line));
      seen.push({ code, words, ran: /^ran/m.test(text) });
    }
    const [bySshd, byGateway] = seen;
    expect(byGateway).toEqual(bySshd);
    expect(byGateway).toMatchObject({ code: 254, words: [expect.stringContaining('new disks')], ran: false });
  });
});
