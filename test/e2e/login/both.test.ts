// dockersh is the login shell and the ForceCommand: sshd then runs `dockersh -c dockersh`.

import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { sandboxMarker } from '../../fixtures/sandbox-marker.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['both'] });
const login = () => world().login('both');

describe.skipIf(control)('as both', () => {
  it('gives an interactive login shell', async () => {
    await using shell = login().terminal(undefined, { ssh: [] });
    await shell.prompt();
    expect((await shell.command('echo $0; tty')).output).toMatch(/^-bash\n\/dev\/pts\/\d+\n$/);
    shell.send('exit 3\r');
    expect((await shell.exited()).code).toBe(3);
  });

  it('runs commands verbatim, with their status', async () => {
    const text = `printf %s "$BASH_EXECUTION_STRING"; exit 9 # 'x' "y" *`;
    const result = await login().ssh(text);
    expect(result.stdout.toString()).toBe(text);
    expect(result.code).toBe(9);
  });

  it('runs sftp and scp', async () => {
    const batch = 'put /etc/passwd copied\nls copied\n';
    const sftp = await login().script('sftp -F $SSH_CONFIG -b - "$HOST"', [], { input: batch });
    expect(sftp.code, sftp.stderr.toString()).toBe(0);
    expect((await login().script('scp -O -F $SSH_CONFIG "$HOST:copied" "$1"', ['/dev/null'])).code).toBe(0);
  });

  it('runs all of it in one sandbox', async () => {
    expect(await sandboxMarker(login())).toBe(await sandboxMarker(login()));
  });

  it('a command that is the path of the login client means just that, inside', async () => {
    // Not a second level: inside, there is no such program.
    const result = await login().ssh(login().host.client);
    expect(result.code).toBe(127);
  });
});
