// sshd with PAM and the stock PAM files, as distributions set it up.

import { describe, expect, it } from 'vitest';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ usePam: true });

describe.each(modes)('as %s', (mode) => {
  it('runs commands, with their status and death', async () => {
    const login = world().login(mode);
    const result = await login.ssh('id -un; exit 9');
    expect(result.stdout.toString()).toBe(`${login.user.name}\n`);
    expect(result.code).toBe(9);
    await using connection = await login.ssh2();
    const command = await connection.start('kill -TERM $$');
    expect(await command.finished()).toMatchObject({ code: null, signal: 'TERM' });
  });

  it('gives a terminal', async () => {
    await using shell = world().login(mode).terminal(undefined, { ssh: [] });
    await shell.prompt();
    expect((await shell.command('tty; echo $0')).output).toMatch(/^\/dev\/pts\/\d+\n-bash\n$/);
    shell.send('exit 4\r');
    expect((await shell.exited()).code).toBe(4);
  });

  it('runs sftp', async () => {
    const script = 'echo "ls /" | sftp -F $SSH_CONFIG -b - "$HOST"';
    const result = await world().login(mode).script(script);
    expect(result.stdout.toString()).toContain('/usr');
    expect(result.code).toBe(0);
  });
});
