// Files that a program of the host's reads in its user's name before anything is inside: start-up files of the shell that sshd
// has run ForceCommand, and what its environment names. They are the sandbox's now, and none of them is read outside of it.

import { beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  module: true,
  policy: { defaults: { image: 'host', linger: '5m', stop_grace: '0' } },
  sshdLines: ['X11Forwarding yes', 'Match all', 'PermitUserRC yes'],
});

/** In a view there is nothing in /proc; inside and on the host there is. */
const mark = (name: string): string => `[ -e /proc/self ] || : >/tmp/ran-outside-${name}`;
const files = [
  '.bashrc',
  '.bash_profile',
  '.bash_login',
  '.profile',
  '.zshenv',
  '.cshrc',
  '.tcshrc',
  '.kshrc',
];
const preload = `
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void mark(void) {
  if (access("/proc/self", F_OK) != 0) creat("/tmp/ran-outside-preload", 0600);
}`;

describe.skipIf(control).each(modes)('as %s', (mode) => {
  let login: Login;
  beforeAll(async () => {
    login = world().login(mode);
    const made = await login.ssh(`
      for file in ${files.join(' ')}; do echo '${mark('FILE')}' | sed "s/FILE/$file/" >~/$file; done
      echo '${mark('env')}' >/tmp/env.sh
      mkdir -p ~/.ssh ~/.config/fish; echo 'BASH_ENV=/tmp/env.sh' >~/.ssh/environment
      echo '${mark('rc')}; : >/tmp/ran-rc' >~/.ssh/rc
      echo '${preload}' | gcc -shared -fPIC -o /tmp/preload.so -xc -`);
    expect(made.code, describeFinished(made)).toBe(0);
  });

  it('none is read outside of the sandbox', async () => {
    const result = await login.ssh('rm -f /tmp/ran-rc; echo in; ls /tmp/preload.so; ls /tmp/ran-outside*', {
      options: ['-o', 'SetEnv=BASH_ENV=/tmp/env.sh LD_PRELOAD=/tmp/preload.so'],
    });
    expect(result.stdout.toString(), describeFinished(result)).toBe('in\n/tmp/preload.so\n');
    expect(result.stderr.toString()).toContain("'/tmp/ran-outside*': No such file");
  });

  it('~/.ssh/rc runs inside, where sshd runs it at all', async () => {
    await login.ssh('true');
    const result = await login.ssh('ls /tmp/ran-*; true');
    // The login shell is dockersh, which runs it inside. With ForceCommand sshd runs none.
    expect(result.stdout.toString().trim(), describeFinished(result)).toBe(
      mode === 'shell' ? '/tmp/ran-rc' : '',
    );
  });
});
