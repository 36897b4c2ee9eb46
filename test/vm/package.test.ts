// The package on Debian 13 and 12, with their own systemd: installed, used, restarted, upgraded, removed.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished, waitUntil } from '../fixtures/process.ts';
import { Guest } from './guest.ts';
import { debFile, laterDebFile, suites } from './remote.ts';
import { Sessions } from './sessions.ts';

const users = ['ada', 'bob', 'cleo', 'dora', 'eve'];
/** These systems share a kernel whose controllers are of version 1, so nothing can enforce a limit here. */
const withoutLimits = '[user:*]\nmemory = none\npids = none\nnetwork = none\n';

/** The commands of a section of the README, as they stand there. */
function readmeCommands(section: string): string[] {
  const text = readFileSync(join(checkout, 'README.md'), 'utf8');
  const body = text.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...body.matchAll(/^ {4}(sudo .*)$/gm)].map(([, command = '']) => command);
}

describe.each(suites)('on Debian %s', (suite) => {
  let guest: Guest;
  beforeAll(async () => {
    guest = await Guest.start(suite);
    await guest.write('/etc/dockersh/conf.d/test.ini', withoutLimits);
    await guest.addUsers(...users);
  });
  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]();
  });

  /** As a version leaves it that knew no private networks: with no record of them, and not a word in the policy. */
  const asBeforeNetworks = async (): Promise<void> => {
    await guest.write('/etc/dockersh/conf.d/test.ini', withoutLimits.replace('network = none\n', ''));
    await guest.enterOk('rm /var/lib/dockersh/network.json');
  };
  const daemonPid = async (): Promise<number> =>
    Number(await guest.enterOk('systemctl show -P MainPID dockershd.service'));

  it('from the package to the first login in a sandbox it takes the two commands of the README', async () => {
    const commands = readmeCommands('Install it');
    expect(commands).toHaveLength(2);
    expect(commands[0]).toMatch(/^sudo apt install \.\/dockersh_\S+\.deb$/);
    await guest.copyIn(debFile(), '/root/dockersh.deb');
    const before = await guest.enterOk('cat /etc/passwd');
    const started = performance.now();
    const install = (commands[0] ?? '')
      .replace(/\.\/dockersh_\S+\.deb/, './dockersh.deb')
      .replace('apt install', 'apt install -y');
    await guest.enterOk(`cd /root && ${install}`);
    // Nobody has a sandbox by the mere installation.
    expect(await guest.enterOk('grep -v ^dockersh-keys: /etc/passwd')).toBe(before);
    expect(await guest.enterOk('grep -c pam_dockersh.so /etc/pam.d/sshd')).toBe('2\n');
    expect(await guest.sshOk('bob', 'cat /proc/1/comm')).toBe('systemd\n');
    await guest.enterOk(commands[1] ?? '');
    const result = await guest.ssh('ada', 'cat /proc/1/comm; id -un; ls /home');
    expect(result.stdout.toString(), describeFinished(result)).toMatch(/^(dockersh-\w+|init)\nada\nada\n$/);
    expect(performance.now() - started).toBeLessThan(60_000);
    // The rest by hand, as the README says where it names the login shell.
    for (const user of users.slice(1)) await guest.enterOk(`usermod --shell /usr/bin/dockersh ${user}`);
  });

  it('the host’s books of logins say of a user in a sandbox what they say of others', async () => {
    const names = ['ada', 'frank']; // who has a shell of the host's
    await guest.addUsers('frank');
    const terminals = names.map((name) => guest.startSsh(name, 'tty; exec cat', '-tt'));
    for (const terminal of terminals) await terminal.waitForOutput('/dev/pts/');
    // Names apart, and what counts up.
    const about = async (command: string): Promise<string[]> => {
      const lines = (await guest.enterOk(command)).split('\n');
      return names.map((name) =>
        lines
          .filter((line) => line.includes(name))
          .map((line) => line.replaceAll(name, 'NAME').replaceAll(/\d+/g, 'N').replaceAll(/ +/g, ' ').trim())
          .sort()
          .join('\n'),
      );
    };
    const sessions = async (): Promise<string[]> => await about('loginctl --no-legend list-sessions');
    const [ada, frank] = await sessions();
    expect(frank).toContain('NAME');
    expect(ada).toBe(frank);
    for (const command of ['who', "w -h | awk '{ print $1, $2, $3 }'"]) {
      const [inSandbox, onHost] = await about(command);
      expect(onHost).toMatch(/^NAME .*pts\/N/m);
      expect(inSandbox).toBe(onHost);
    }
    for (const terminal of terminals) await terminal[Symbol.asyncDispose]();
    await waitUntil(async () => (await sessions()).join('') === '', 'the sessions to be gone', 60_000);
    expect((await about('who')).join('')).toBe('');
    if (suite === 'bookworm') {
      const ended = async () =>
        (await about('last -w')).map((lines) => lines.match(/^NAME pts.*\(N:N\)$/gm)?.[0]);
      await waitUntil(async () => (await ended()).every((line) => line !== undefined), 'the ends');
      const [inSandbox, onHost] = await ended();
      expect(inSandbox).toBe(onHost);
    }
  }, 120_000);

  it('is a proper service: enabled, ready, listed among the shells, with units that systemd finds nothing wrong with', async () => {
    const units = 'dockershd.service dockershd.socket dockershd-admin.socket';
    expect(await guest.enterOk(`systemctl is-enabled ${units}`)).toBe('enabled\nenabled\nenabled\n');
    expect(await guest.enterOk(`systemctl is-active ${units} dockersh-sandboxes.service`)).toBe(
      'active\n'.repeat(4),
    );
    expect(await guest.enterOk('grep -x /usr/bin/dockersh /etc/shells')).toBe('/usr/bin/dockersh\n');
    const gateway = 'dockersh-gateway.service dockersh-gateway.socket';
    expect(await guest.enterOk(`systemctl is-enabled ${gateway} || :`)).toBe('disabled\ndisabled\n');
    const all = `${units} ${gateway}`.split(' ');
    const verify = await guest.enter('systemd-analyze', ['verify', '--man=no', ...all]);
    expect(verify.stderr.toString()).not.toContain('dockersh');
    expect(await guest.enterOk('stat -c "%a %U" /run/dockersh/*.sock /var/lib/dockersh')).toBe(
      '600 root\n600 root\n600 root\n600 root\n666 root\n600 root\n700 root\n',
    );
    expect(await guest.enterOk('dockershctl policy check >/dev/null; dockershctl version')).toContain(
      'cgroups     v2',
    );
  });

  it('sandboxes hold against what can be tried from inside', async () => {
    await guest.write('/etc/dockersh/conf.d/nested.ini', '[user:eve]\nnesting = yes\n');
    for (const [user, places] of [
      ['bob', ['plain:user']],
      ['eve', ['nesting:user', 'nesting:nested']],
    ] as const) {
      const result = await guest.enter('dockershctl', ['--json', 'doctor', '--attack', user]);
      const { attacks } = JSON.parse(result.stdout.toString()) as {
        attacks: { place: string; result: string }[];
      };
      expect(attacks.filter((attack) => attack.result !== 'held')).toEqual([]);
      expect([...new Set(attacks.map(({ place }) => place))]).toEqual(places);
      expect(attacks.length).toBeGreaterThan(150);
      expect(result.code, describeFinished(result)).toBe(0);
      const inWords = await guest.enterOk(`dockershctl doctor --attack ${user} --quiet`);
      expect(inWords).toMatch(/^\d+ attacks: \d+ held, 0 open, 0 could not be tried\n$/);
    }
    await guest.enterOk('rm /etc/dockersh/conf.d/nested.ini; dockershctl stop eve');
  });

  it('the other steps of the README work as they stand there', async () => {
    const text = readFileSync(join(checkout, 'README.md'), 'utf8');
    const section = text.split('\n## Install it\n')[1]?.split('\n### ')[0] ?? '';
    const commands = [...section.matchAll(/`((?:dockershctl|journalctl|systemctl|systemd-cgls) [^`]*)`/g)];
    expect(commands.length).toBeGreaterThanOrEqual(4);
    for (const [, command = ''] of commands) await guest.enterOk(`${command} </dev/null`);
    await guest.enterOk('systemctl revert dockersh.slice');

    // As ForceCommand, with forwarding switched off: the two blocks for sshd_config.
    const blocks = [...section.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => block);
    const match = blocks.filter((block) => block.includes('Match Group students'));
    expect(match).toHaveLength(2);
    await guest.write('/etc/ssh/sshd_config.d/readme.conf', match.join(''));
    // Not reloaded: that ends before sshd, on Debian 12, has read anything.
    await guest.enterOk(
      `groupadd students; usermod -aG students -s /bin/bash eve; sshd -t; systemctl restart ssh`,
    );
    expect(await guest.sshOk('eve', 'cat /proc/1/comm')).toMatch(/^(dockersh-|init)/);
    const forward = await guest.ssh(
      'eve',
      'true',
      {},
      '-o',
      'ExitOnForwardFailure=yes',
      '-R',
      '7777:localhost:22',
    );
    expect(forward.code).not.toBe(0);
    expect(await guest.sshOk('bob', 'cat /proc/1/comm')).toMatch(/^(dockersh-|init)/);
    await guest.enterOk(
      'rm /etc/ssh/sshd_config.d/readme.conf; systemctl restart ssh; usermod --shell /usr/bin/dockersh eve',
    );
  });

  it('writes to the journal what can be looked up by user', async () => {
    const entries = (await guest.enterOk('journalctl -o json DOCKERSH_USER=ada'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries.length).toBeGreaterThan(0);
    for (const entry of entries) {
      expect(entry).toMatchObject({ DOCKERSH_USER: 'ada', SYSLOG_IDENTIFIER: 'dockershd', PRIORITY: '6' });
      expect(entry['_SYSTEMD_UNIT']).toBe('dockershd.service');
    }
    // The first session is that of "user enable", which comes from nowhere.
    const [opened, closed] = ['session-opened', 'session-closed'].map((event) =>
      entries.find((one) => one['DOCKERSH_EVENT'] === event && one['DOCKERSH_FROM'] !== undefined),
    );
    expect(opened?.['MESSAGE']).toMatch(
      /^session opened for ada from [\d.:a-f]+: .*, image \S+ \[[0-9a-f]+\]$/,
    );
    expect(closed?.['MESSAGE']).toMatch(/^session closed for ada from [\d.:a-f]+ after \S+: logged out/);
  });

  it("keeps sandboxes in a cgroup that is not the daemon's, under their users' names", async () => {
    const tree = await guest.enterOk('systemd-cgls --no-pager --full /dockersh.slice');
    expect(tree).toMatch(/dockersh-sandboxes\.service/);
    expect(tree).toMatch(/u1000-ada/);
    expect(await guest.enterOk('systemctl show -P ControlGroup dockershd.service')).toBe(
      '/system.slice/dockershd.service\n',
    );
    const processes = await guest.enterOk('cat /sys/fs/cgroup/system.slice/dockershd.service/cgroup.procs');
    expect(processes.trim()).toBe(String(await daemonPid()));
  });

  it('twenty sessions notice neither a restart, nor a kill, nor an upgrade of the package', async () => {
    await using sessions = await Sessions.start(guest, users);
    const pids = new Set([await daemonPid()]);
    await guest.enterOk('systemctl restart dockershd.service');
    await sessions.answer();
    pids.add(await daemonPid());

    await guest.enterOk('kill -KILL $(systemctl show -P MainPID dockershd.service)');
    await sessions.answer();
    await waitUntil(async () => ![0, ...pids].includes(await daemonPid()), 'the next daemon');
    pids.add(await daemonPid());

    await guest.copyIn(laterDebFile(), '/root/later.deb');
    await asBeforeNetworks();
    expect(await guest.enterOk('apt-get install -y /root/later.deb 2>&1')).toContain(
      'sandboxes have no network (network = none) until the policy says network = private',
    );
    await sessions.answer();
    pids.add(await daemonPid());
    // Four different daemons there were, and the sandboxes are still those of the first.
    expect(pids.size).toBe(4);
    expect(await guest.enterOk('dpkg-query -W -f "\\${Version}" dockersh')).toBe('99.0.0');
    const { sandboxes } = JSON.parse(await guest.enterOk('dockershctl --json ps')) as {
      sandboxes: { user: string; sessions: unknown[] }[];
    };
    expect(sandboxes.map(({ user }) => user)).toEqual(users);
    expect(sandboxes.flatMap((sandbox) => sandbox.sessions).length).toBe(sessions.open);

    await sessions.finish();
    expect(await guest.sshOk('ada', 'cat notes.txt')).toBe('before, after\n');
  }, 180_000);

  it('an upgrade from a version without private networks opens none until the policy says so', async () => {
    const links = async (user: string): Promise<string> => {
      await guest.enterOk(`dockershctl stop ${user} || :`);
      return await guest.sshOk(user, 'ls /sys/class/net');
    };
    expect(await links('ada')).toBe('lo\n');
    expect(await guest.enterOk('dockershctl policy explain ada')).toMatch(
      /^network +none +\/var\/lib\/dockersh\/network\.json:1 \[upgrade\]/m,
    );
    expect(await guest.enterOk('dockershctl --json doctor || :')).toMatch(/"network-default"[^}]*"warning"/);
    expect(await guest.enterOk('journalctl -u dockershd.service -o cat')).toContain('network = private');
    await guest.enterOk('systemctl restart dockershd.service');
    expect(await links('ada')).toBe('lo\n');
    await guest.write('/etc/dockersh/conf.d/one.ini', '[user:bob]\nnetwork = private\n');
    expect(await links('bob')).toBe('eth0\nlo\n');
    expect(await links('ada')).toBe('lo\n');
    await guest.enterOk('rm /etc/dockersh/conf.d/one.ini');
    await guest.write('/etc/dockersh/conf.d/test.ini', withoutLimits);
    expect(await links('bob')).toBe('lo\n');
  });

  it('a version of sshd’s PAM service that replaces ours has the lines put back, once', async () => {
    const upgrade = async (version: number, how: string): Promise<string> =>
      await guest.enterOk(`cd $(mktemp -d); mkdir -p p/DEBIAN p/etc/pam.d
        printf 'Package: other-sshd\\nVersion: ${version}\\nArchitecture: all\\nMaintainer: x <x@x.org>\\nReplaces: openssh-server\\nDescription: x\\n' >p/DEBIAN/control
        echo /etc/pam.d/sshd >p/DEBIAN/conffiles
        { grep -v pam_dockersh /etc/pam.d/sshd; echo '# version ${version}'; } >p/etc/pam.d/sshd
        dpkg-deb --build p p.deb; dpkg --install --force-conf${how} p.deb 2>&1`);
    await upgrade(1, 'old');
    expect(await guest.enterOk('grep -c pam_dockersh.so /etc/pam.d/sshd')).toBe('2\n');
    expect(await upgrade(2, 'new')).toContain('putting the lines of pam_dockersh.so back');
    expect(await guest.enterOk('grep -c "pam_dockersh.so\\|version 2" /etc/pam.d/sshd')).toBe('3\n');
    // Where the administrator has taken them out, they stay away.
    await guest.enterOk('dockershctl sshd-module --remove');
    await upgrade(3, 'new');
    expect(await guest.enterOk('grep -c pam_dockersh.so /etc/pam.d/sshd || :')).toBe('0\n');
    await guest.enterOk('dockershctl sshd-module --install; dpkg --remove other-sshd');
    expect(await guest.sshOk('ada', 'id -un')).toBe('ada\n');
  }, 180_000);

  it('a reload names the mistakes of a policy, and nobody notices it', async () => {
    await using session = guest.startSsh('bob', 'exec cat');
    session.process.stdin?.write('one\n');
    await session.waitForOutput('one');
    const pid = await daemonPid();
    await guest.enterOk('systemctl reload dockershd.service');
    await guest.write('/etc/dockersh/conf.d/wrong.ini', '[user:bob]\nmemory = plenty\n');
    expect((await guest.enter('systemctl', ['reload', 'dockershd.service'])).code).not.toBe(0);
    expect(await guest.enterOk('journalctl -u dockershd.service -o cat')).toMatch(/wrong\.ini:2.*memory/);
    expect(await guest.enterOk('systemctl status dockershd.service')).toMatch(
      /Status: "Attention: the policy is broken: the last good one, .*, is in force.*\(dockershctl policy check\)"/,
    );
    expect(await daemonPid()).toBe(pid);
    expect((await guest.ssh('bob', 'exit 4')).code).toBe(4);
    await guest.enterOk('rm /etc/dockersh/conf.d/wrong.ini; systemctl reload dockershd.service');
    session.process.stdin?.end('two\n');
    expect((await session.finished()).stdout.toString()).toBe('one\ntwo\n');
    expect(await daemonPid()).toBe(pid);
    expect(await guest.enterOk('systemctl status dockershd.service')).toContain('Status: "Accepting logins"');
  });

  it('a login that comes while there is no daemon waits, and starts one', async () => {
    await guest.enterOk('systemctl stop dockershd.service');
    expect(await guest.enterOk('systemctl is-active dockershd.service || true')).toBe('inactive\n');
    // A daemon that takes more than two seconds to start is one that ssh does not wait for (docs/ssh.md).
    await waitUntil(async () => (await guest.ssh('bob', 'exit 7')).code === 7, 'a login', 30_000);
    expect(await guest.enterOk('systemctl is-active dockershd.service')).toBe('active\n');
  });

  it('a daemon that is stuck is replaced, and sessions do not notice', async () => {
    await guest.write('/etc/systemd/system/dockershd.service.d/test.conf', '[Service]\nWatchdogSec=2\n');
    await guest.enterOk('systemctl daemon-reload; systemctl restart dockershd.service');
    await using session = guest.startSsh('bob', 'exec cat');
    session.process.stdin?.write('one\n');
    await session.waitForOutput('one');
    const pid = await daemonPid();
    await guest.enterOk(`kill -STOP ${pid}`);
    await waitUntil(async () => ![0, pid].includes(await daemonPid()), 'another daemon');
    session.process.stdin?.end('two\n');
    expect((await session.finished()).stdout.toString()).toBe('one\ntwo\n');
    await guest.enterOk(
      'rm -r /etc/systemd/system/dockershd.service.d; systemctl daemon-reload; systemctl restart dockershd.service',
    );
  });

  it('stopping what holds the sandboxes ends them all; the next login starts everything again', async () => {
    await using session = guest.startSsh('cleo', 'echo in; exec sleep 1000');
    await session.waitForOutput('in');
    await guest.enterOk('systemctl stop dockersh-sandboxes.service');
    expect((await session.finished()).code).not.toBe(0);
    expect(await guest.enterOk('ls -d /sys/fs/cgroup/dockersh.slice/*/ 2>/dev/null || echo gone')).toBe(
      'gone\n',
    );
    await waitUntil(async () => (await guest.ssh('cleo', 'exit 3')).code === 3, 'a login', 30_000);
  });

  it('after the power was cut the first login just works, with everything that was written', async () => {
    await guest.sshOk('dora', 'echo kept >kept; sync kept');
    await guest.cutPower();
    await guest.boot();
    expect(await guest.sshOk('dora', 'cat kept')).toBe('kept\n');
    expect(await guest.enterOk('systemctl --failed --plain --no-legend')).not.toContain('dockersh');
  });

  it('removing it names who cannot log in any more, and ends everything', async () => {
    await guest.sshOk('ada', 'true');
    const removal = await guest.enter('apt-get', ['remove', '-y', 'dockersh']);
    expect(removal.code, describeFinished(removal)).toBe(0);
    expect(removal.stdout.toString() + removal.stderr.toString()).toContain(
      `cannot log in any more until they get another login shell: ${users.join(' ')}`,
    );
    expect(await guest.enterOk('pgrep -l dockersh || echo none')).toBe('none\n');
    expect(await guest.enterOk('grep -c dockersh /etc/shells || true')).toBe('0\n');
    expect(await guest.enterOk('ls /etc/dockersh/dockersh.ini')).toContain('dockersh.ini');
    // Fail closed: nobody gets a shell of the host instead.
    expect((await guest.ssh('ada', 'true')).code).toBe(255);
  });

  it('a purge at which nobody is asked leaves what people have made, and says where that is', async () => {
    // sshd's PAM service is as its own package has it.
    expect(await guest.enterOk('dpkg --verify openssh-server | grep pam.d || echo same')).toBe('same\n');
    const purge = await guest.enterOk('DEBIAN_FRONTEND=noninteractive apt-get purge -y dockersh 2>&1');
    expect(purge).toContain(
      `kept in /var/lib/dockersh: what ${users.length} accounts have in sandboxes, and no image`,
    );
    expect(purge).toContain('is in /var/lib/dockersh/etc');
    expect(await guest.enterOk('ls /var/log')).not.toContain('dockersh');
    const left = await guest.enterOk(
      `find / -xdev \\( -path /proc -o -path /root -o -path /home -o -path /tmp -o -path /var/log -o -path /var/lib/dockersh -o -path /var/cache/debconf \\) -prune -o -name '*dockersh*' -print`,
    );
    expect(left).toBe('');
    expect(await guest.enterOk('ls -A /var/lib/dockersh')).toBe(
      'accounts\netc\nids.json\nimages\nnetwork.json\nusers\n',
    );
    expect(await guest.enterOk('cat /var/lib/dockersh/etc/conf.d/test.ini')).toBe(withoutLimits);
    expect(await guest.enterOk('cat /var/lib/dockersh/users/*/home/kept')).toBe('kept\n');
    expect(
      await guest.enterOk('ls -d /sys/fs/cgroup/*/*dockersh* /run/dockersh 2>/dev/null || echo none'),
    ).toBe('none\n');
    // And it can be installed again, with the data still there.
    await guest.write('/etc/dockersh/conf.d/test.ini', withoutLimits);
    await guest.enterOk('apt-get install -y /root/dockersh.deb');
    expect(await guest.sshOk('dora', 'cat kept')).toBe('kept\n');
  });

  it('a purge at which the answer is yes leaves nothing', async () => {
    await guest.enterOk('dockershctl stop --all');
    await guest.enterOk("echo 'dockersh dockersh/purge-data boolean true' | debconf-set-selections");
    await guest.enterOk('DEBIAN_FRONTEND=noninteractive apt-get purge -y dockersh');
    const left =
      "find / -xdev \\( -path /proc -o -path /root -o -path /home -o -path /tmp -o -path /var/log -o -path /var/cache/debconf \\) -prune -o -name '*dockersh*' -print";
    expect(await guest.enterOk(left)).toBe('');
    expect(await guest.enterOk('grep -l dockersh /var/cache/debconf/config.dat || echo forgotten')).toBe(
      'forgotten\n',
    );
  });
});
