// Shows an administrator’s terminal what users say of themselves, and what their programs write: none of it acts there, by
// whatever verb it is shown.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: ['shell'],
  policy: { defaults: { image: 'host', linger: '10m', record: 'yes', watch: 'silent', on_hangup: 'keep' } },
});

/** A title, a report of the cursor in both writings, the clipboard, a reset, a string without an end, a bell. */
const acts = '\x1b]0;OWNED\x07\x1b[6n\u009b6n\x1b]52;c;QQ==\x1b\\\x1bc\x1bP+q544e\x07OWNED';
const traces = ['\x1b]0;OWN', '\x1b[6n', '\u009b', '\x1b]52', '\x1bP', '\x07'];
const tracesIn = (text: string, all = traces): string[] => all.filter((trace) => text.includes(trace));
/** A screen may be cleared by a reset, a list is none. */
const tracesInList = (text: string): string[] => tracesIn(text, [...traces, '\x1bc']);

const verbs: readonly (readonly string[])[] = [
  ['ps'],
  ['stats'],
  ['logins'],
  ['logins', '--last'],
  ['logins', '--failed'],
  ['audit'],
  ['recordings', 'ls'],
  ['operations'],
  ['usage', '--since', '1h'],
];

describe.skipIf(control)('escape sequences of users', () => {
  const line = (...args: string[]): string[] => [
    ctlBundle,
    '--socket',
    join(world().host.runFolder, 'admin.sock'),
    ...args,
  ];
  const root = (...args: string[]): Terminal =>
    new Terminal(nodeProgram, line(...args), { columns: 300, rows: 60 });

  it('reach no administrator’s terminal', { timeout: 120_000 }, async () => {
    const login = world().login('shell');
    const { host } = login;
    await login.ssh(`: '${acts}'`);
    await login.ssh(`exit 3 # ${acts}`, { options: ['-o', `SetEnv=LC_OWNED="${acts}"`] });
    // A program with such a name, which goes on, and a folder.
    await using session = login.terminal(undefined, {
      env: { PATH: '/usr/bin:/bin', TERM: acts, LANG: 'C.UTF-8' },
    });
    await session.prompt();
    session.resize(60_000, 60_000);
    await session.command(
      `mkdir -p "$(printf '/tmp/\\033[6n\\033]0;OWNED\\007')"; cd /tmp/*OWNED*; (printf '\\033[6n\\033]0;OW' >/proc/self/comm; sleep 600) & :`,
    );
    await using watcher = root('watch', login.user.name);
    await waitUntil(() => watcher.text.includes('dsh->'), 'what is watched');
    await session.command(
      `printf '%b' '${'\\033]0;OWNED\\007\\033[6n\\302\\2336n\\033c\\033P+q544e\\033\\\\sho'}''wn\\n'`,
    );
    await watcher.expect(/shown/);
    expect(tracesIn(watcher.text)).toEqual([]);
    watcher.send('\x1d');
    await watcher.exited();
    const [{ id } = { id: '' }] = (await host.sandboxOf(login.user))?.sessions ?? [];
    session.send('exit\r');
    await session.exited();

    for (const verb of verbs) {
      await using shown = root(...verb);
      const { code } = await shown.exited();
      expect([verb, code, tracesInList(shown.text)]).toEqual([verb, 0, []]);
    }
    await using played = root('recordings', 'play', id, '--speed', '1000');
    await played.exited();
    expect(played.text).toContain('shown');
    expect(tracesIn(played.text)).toEqual([]);

    // They were there to be shown.
    await using raw = root('recordings', 'play', id, '--speed', '1000', '--raw');
    await raw.exited();
    expect(tracesIn(raw.text).length).toBeGreaterThan(3);
    expect(JSON.stringify(await host.ctlOk('audit', '--user', login.user.name))).toContain('OWNED');
  });
});
