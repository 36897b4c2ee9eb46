// Tools that come by ssh to work at the other end: ansible, backups, version control, Emacs. They need themselves there as well,
// which the image `host` has.

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, type Finished } from '../../fixtures/process.ts';
import { eachServer, useWorld } from '../../fixtures/world.ts';
import { Endpoint } from './endpoint.ts';

const defaults = { image: 'host', linger: '5m', stop_grace: '0' };
const world = useWorld({ modes: eachServer, module: true, policy: { defaults } });
vi.setConfig({ testTimeout: 300_000 }); // such a tool starts many programs, here and at the other end

const needed = ['ansible-playbook', 'borg', 'restic', 'unison', 'svn', 'hg', 'git', 'emacs'];

function ok(result: Finished): string {
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** In scripts, `$1` is a folder with files; they end with a comparison. */
const backups = {
  borg: `set -e; export BORG_RSH="ssh -F $SSH_CONFIG" BORG_BASE_DIR=$PWD/borg BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
    borg init -e none "$HOST:borg"
    borg create "$HOST:borg::first" "$1"
    echo more >"$1/more"
    borg create "$HOST:borg::second" "$1"
    borg check "$HOST:borg"
    mkdir -p back/borg; cd back/borg; borg extract "$HOST:borg::second"
    diff -r "../../$1" "$1"`,
  restic: `set -e; export RESTIC_PASSWORD=secret RESTIC_CACHE_DIR=$PWD/restic RESTIC_REPOSITORY="sftp:$HOST:restic"
    restic() { command restic -q -o sftp.command="ssh -F $SSH_CONFIG $HOST -s sftp" "$@"; }
    restic init; restic backup "$1"; echo even more >"$1/more"; restic backup "$1"; restic check
    mkdir -p back; restic restore latest -t back/restic
    diff -r "$1" "back/restic/$1"`,
  unison: `set -e; export UNISON=$PWD/.unison
    unison() { command unison -batch -auto -silent "$1" "ssh://$HOST/$1" -sshargs "-F $SSH_CONFIG"; }
    unison "$1"
    ssh -F "$SSH_CONFIG" "$HOST" "echo there >'$1/there'; rm '$1/script'"
    echo here >"$1/here"; unison "$1"
    test "$(cat "$1/there")" = there; ! test -e "$1/script"
    test "$(ssh -F "$SSH_CONFIG" "$HOST" "cat '$1/here'")" = here`,
};

const versionControl = {
  'svn+ssh': `set -e; export SVN_SSH="ssh -F $SSH_CONFIG"
    ssh -F "$SSH_CONFIG" "$HOST" 'svnadmin create svn'
    url="svn+ssh://$HOST/home/$USER_NAME/svn"
    svn checkout -q "$url" svn-one; cp -r "$1" svn-one/files; cd svn-one; svn add -q files; svn commit -q -m first; cd ..
    svn checkout -q "$url" svn-two; diff -r "$1" svn-two/files
    svn log -q "$url" | grep -c " | $USER_NAME | "`,
  mercurial: `set -e; export HGUSER=somebody
    ssh -F "$SSH_CONFIG" "$HOST" 'hg init hg'
    hg() { command hg --config ui.ssh="ssh -F $SSH_CONFIG" -q "$@"; }
    hg clone "ssh://$HOST/hg" hg-one; cp -r "$1" hg-one/files; cd hg-one; hg add; hg commit -m first; hg push; cd ..
    hg clone "ssh://$HOST/hg" hg-two; diff -r "$1" hg-two/files
    hg -R hg-two log | grep -c .`,
};

/** Variables of ansible's for a place, and files of its own. */
const ansible = (config: string, folder: string): Record<string, string> => ({
  // With a master connection, as it does by default.
  ANSIBLE_SSH_ARGS: `-F ${config} -o ControlMaster=auto -o ControlPersist=3s`,
  ANSIBLE_SSH_CONTROL_PATH_DIR: join(folder, 'masters'),
  ANSIBLE_LOCAL_TEMP: join(folder, 'ansible'),
  ANSIBLE_NOCOWS: '1',
  ANSIBLE_NOCOLOR: '1',
});
const playbook = join(import.meta.dirname, 'playbook.yml');

describe.skipIf(control || lacks(...needed)).each(eachServer)('as %s', (mode) => {
  let endpoint: Endpoint;
  beforeAll(async () => {
    endpoint = await Endpoint.of(world().login(mode));
    await writeFile(join(endpoint.folder, 'greeting.j2'), '{{ ansible_facts.user_id }} {{ 6 * 7 }}\n');
  });
  const files = async (name: string): Promise<string> => {
    const folder = join(endpoint.folder, name);
    await mkdir(folder);
    await writeFile(join(folder, "it's a file"), 'x'.repeat(100_000));
    await writeFile(join(folder, 'script'), '#!/bin/sh\n', { mode: 0o755 });
    await cp('/etc/ssh/moduli', join(folder, 'moduli'));
    return name;
  };

  it.each(Object.entries(backups))('%s', async (name, script) => {
    ok(await endpoint.script(script, [await files(`for-${name}`)]));
  });

  it.each(Object.entries(versionControl))('%s', async (name, script) => {
    expect(ok(await endpoint.script(script, [await files(`for-${name}`)]))).toBe('1\n');
  });

  it.each([
    ['ansible', 'ANSIBLE_PIPELINING=False ANSIBLE_SSH_TRANSFER_METHOD=sftp'],
    ['ansible with pipelining', 'ANSIBLE_PIPELINING=True ANSIBLE_SSH_TRANSFER_METHOD=scp'],
    ['ansible by pipes', 'ANSIBLE_PIPELINING=False ANSIBLE_SSH_TRANSFER_METHOD=piped'],
  ])('%s', async (_name, variables) => {
    const { login, folder } = endpoint;
    const script = `export ${variables}; ansible-playbook -i "$HOST," -e "folder=$PWD folder_there=" "$1"`;
    const env = ansible(login.configFile, folder);
    const said = ok(await endpoint.script(script, [playbook], { env }));
    expect(said).toContain(`It says: ${login.user.name} 42.`);
    expect(said).toMatch(/ok=7 .*unreachable=0 +failed=0/);
    expect(await readFile(join(folder, 'fetched'), 'utf8')).toBe(`${login.user.name} 42\n`);
    const made = await login.ssh("stat -c '%U %a %n' copied templated; cat templated");
    expect(made.stdout.toString()).toBe(
      `${login.user.name} 640 copied\n${login.user.name} 644 templated\n${login.user.name} 42\n`,
    );
  });

  it.each(['ssh', 'scp', 'sshx'])('TRAMP by /%s:', async (method) => {
    const { login } = endpoint;
    const script = 'emacs --batch --quick --load "$1" "$2" "$HOST" "$SSH_CONFIG"';
    const said = ok(await endpoint.script(script, [join(import.meta.dirname, 'tramp.el'), method]));
    const folder = `${login.user.home}/tramp-${method}`;
    expect(said).toBe(
      `opened t
listed ("it's a file" "renamed")
mode 640
completed ("renamed")
status 3
said "zero
one
"
shell "${login.user.name}
${folder}
"
process "got a line"
gone t
`,
    );
  });
});

describe.skipIf(control || lacksDebian() || lacks('ansible-playbook'))(
  'where users may be root inside',
  () => {
    let image: string;
    beforeAll(async () => {
      image = await importDebian(world().host);
    }, 900_000);

    describe.each(eachServer)('as %s', (mode) => {
      it.each([
        ['become', 'False'],
        ['become with pipelining', 'True'],
      ])('ansible: %s', async (_name, pipelining) => {
        const login = await world().addLogin(mode);
        await world().host.setPolicy({ defaults, users: { [login.user.name]: { image, root: 'yes' } } });
        const endpoint = await Endpoint.of(login);
        await writeFile(join(endpoint.folder, 'greeting.j2'), '{{ ansible_facts.user_id }} {{ 6 * 7 }}\n');
        const script = `ansible-playbook --become -i "$HOST," -e "folder=$PWD folder_there=/etc/" "$1" &&
        ansible --become -i "$HOST," -m ansible.builtin.user -a "name=service system=true" all`;
        const env = { ...ansible(login.configFile, endpoint.folder), ANSIBLE_PIPELINING: pipelining };
        expect(ok(await endpoint.script(script, [playbook], { env }))).toContain('It says: root 42.');
        const made = await login.ssh("stat -c '%U %n' /etc/templated; cat /etc/templated; id -un service");
        expect(made.stdout.toString(), describeFinished(made)).toBe(
          'root /etc/templated\nroot 42\nservice\n',
        );
      });
    });
  },
);
