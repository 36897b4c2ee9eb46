// Each of the three standard streams is a terminal or not, on its own.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const combinations = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
  bits,
  name: [0, 1, 2].map((fd) => (bits & (1 << fd) ? `${fd} terminal` : `${fd} other`)).join(', '),
}));

// Its exit status has one bit for each stream that is a terminal; every stream is used as well.
const probe =
  'n=0; for fd in 0 1 2; do [ -t $fd ] && n=$((n + (1 << fd))); done; read -r line; echo "out $line"; echo "err $line" >&2; exit $n';

describe('the login shell itself', () => {
  it.each(combinations)('$name', async ({ bits }) => {
    const login = world().login('shell');
    const { uid, gid } = login.user;
    const { folder, client } = login.host;
    const file = (name: string) => join(folder, `mixed-${bits}-${name}`);
    const redirect = [
      bits & 1 ? '' : `< <(echo typed)`,
      bits & 2 ? '' : `> >(cat > ${file('out')})`,
      bits & 4 ? '' : `2> >(cat > ${file('err')})`,
    ].join(' ');
    // The redirections are opened as root, outside; the login shell runs as the user.
    const script = `setpriv --reuid ${uid} --regid ${gid} --clear-groups "$@" ${redirect}; s=$?; sleep 0.5; exit $s`;
    await using terminal = new Terminal('/bin/bash', ['-c', script, 'bash', client, '-c', probe], {
      env: login.environment(),
      cwd: '/',
    });
    if (bits & 1) terminal.send('typed\r');
    expect((await terminal.exited()).code).toBe(bits);
    const screen = terminal.text;
    expect(bits & 2 ? screen : await readFile(file('out'), 'utf8')).toContain('out typed');
    expect(bits & 4 ? screen : await readFile(file('err'), 'utf8')).toContain('err typed');
    expect(screen.includes('out typed')).toBe((bits & 2) !== 0);
    expect(screen.includes('err typed')).toBe((bits & 4) !== 0);
  });

  it('leaves the outer terminal as it was', async () => {
    const login = world().login('shell');
    const { uid, gid } = login.user;
    const asUser = `setpriv --reuid ${uid} --regid ${gid} --clear-groups "$1" -c`;
    const script = `stty -a > $2/before; ${asUser} 'stty raw -echo; exit 3'; echo "status $?"; stty -a > $2/after;
      ${asUser} 'kill -KILL $$'; stty -a > $2/killed; echo done`;
    await using terminal = new Terminal(
      '/bin/bash',
      ['-c', script, 'bash', login.host.client, login.host.folder],
      { env: login.environment(), cwd: '/' },
    );
    await terminal.expect(/status 3/);
    await terminal.expect(/done/);
    const read = async (name: string) => await readFile(join(login.host.folder, name), 'utf8');
    // A plain shell has no terminal of its own to change, so only the sane end can be compared.
    if (login.host.client.endsWith('dockersh')) expect(await read('after')).toBe(await read('before'));
    if (login.host.client.endsWith('dockersh')) expect(await read('killed')).toBe(await read('before'));
  });
});

describe('su', () => {
  it('with a terminal as input and a pipe as output', async () => {
    const login = world().login('shell');
    const command = '[ -t 0 ] && [ ! -t 1 ] && [ -t 2 ] && echo mixed; exit 3';
    await using terminal = new Terminal('/bin/bash', [
      '-o',
      'pipefail',
      '-c',
      'su - "$1" -c "$2" | sed "s/^/piped: /"',
      'bash',
      login.user.name,
      command,
    ]);
    await terminal.expect(/piped: mixed/);
    expect((await terminal.exited()).code).toBe(3);
  });
});
