// A host that doctor finds nothing wrong with, and ways to break it: every run is in a mount namespace of its
// own, in which a script changes the real files that the checks look at.

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Host } from '../../fixtures/host.ts';
import { checkout, ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { tar } from '../images/tar-builder.ts';

export const foreignImage = 'dsh-foreign:1';

export interface Scenario {
  /** Lines of bash, run as root before doctor. */
  readonly script?: string;
  /** System calls that the kernel seems to lack. */
  readonly deny?: string;
  /** For unshare(1); a mount namespace is always among them. */
  readonly namespaces?: readonly string[];
  /** A program that runs doctor. */
  readonly under?: readonly string[];
  /** More lines at the top of sshd_config. */
  readonly sshd?: string;
  /** Instead of the usual policy. */
  readonly policy?: string;
  readonly args?: readonly string[];
}

export interface Check {
  readonly id: string;
  readonly state: string;
  readonly found: string;
  readonly fix?: string;
  readonly users: readonly string[];
}

export interface Report {
  readonly status: number;
  readonly checks: readonly Check[];
}

const closed = [
  'AllowStreamLocalForwarding no',
  'AllowTcpForwarding no',
  'X11Forwarding no',
  'PermitUserRC no',
  'AcceptEnv LANG LC_*',
  'Subsystem sftp /usr/lib/openssh/sftp-server',
];

/**
 * What is well on a host that has been set up as the documentation says. /etc is a copy: a mount over one of its
 * files would be taken off by whoever renames another one there, as useradd does (mount_namespaces(7)).
 */
const wellSetUp = `
mkdir -p "$D/etc"
cp -a /etc/. "$D/etc" 2>/dev/null || : # in a user namespace, what can be
mount --bind "$D/etc" /etc
put() {
  local file; file=$D/$(basename "$1").$RANDOM$RANDOM
  cat >"$file"; chmod 644 "$file"
  case $1 in /etc/*) cat "$file" >"$1" ;; *) mount --bind "$file" "$1" ;; esac
}
{ cat /etc/shells; echo "$CLIENT"; } | put /etc/shells
sed 's|^root:[^:]*:|root:$6$salt$hash:|' /etc/shadow | put /etc/shadow
mount -t tmpfs none /etc/pam.d
echo 9223372036854775807 | put /proc/sys/fs/file-max
echo 4611686018427387904 | put /proc/sys/fs/aio-max-nr
`;

export class DoctorsHost implements AsyncDisposable {
  readonly host: Host;
  readonly user: TestUser;
  readonly #stack: AsyncDisposableStack;
  #runs = 0;

  private constructor(host: Host, user: TestUser, stack: AsyncDisposableStack) {
    this.host = host;
    this.user = user;
    this.#stack = stack;
  }

  static async start(): Promise<DoctorsHost> {
    await using stack = new AsyncDisposableStack();
    const host = stack.use(await Host.start({ policy: { defaults: { image: 'host', network: 'none' } } }));
    const user = stack.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
    await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(host.folder, 'host_key')]);
    const deny = join(checkout, 'test/integration/doctor/deny.c');
    const architecture = process.arch === 'x64' ? 'arm64' : 'amd64';
    const image = builtImage([builtLayer(tar({ name: 'bin', type: '5' }))], { config: { architecture } });
    const layout = await writeLayout(join(host.folder, 'foreign'), image);
    await host.ctlOk('image', 'import', foreignImage, layout);
    await runOk('gcc', ['-o', join(host.folder, 'deny'), deny, '-lseccomp']);
    return new DoctorsHost(host, user, stack.move());
  }

  async doctor(scenario: Scenario = {}): Promise<Report> {
    const { host, user } = this;
    const folder = join(host.folder, `run${++this.#runs}`);
    await mkdir(folder);
    const config = join(folder, 'sshd_config');
    const own = scenario.sshd ?? '';
    // sshd takes the first value of a setting, but refuses a subsystem that is there twice.
    const others = closed.filter((line) => !line.startsWith('Subsystem') || !own.includes('Subsystem'));
    const lines = [own, `HostKey ${host.folder}/host_key`, ...others];
    await writeFile(config, `${lines.join('\n')}\n`);
    const script = join(folder, 'script');
    await writeFile(script, `set -eu\n${wellSetUp}${scenario.script ?? ''}\nexec "$@"\n`);
    await chmod(script, 0o700);
    const command = [
      ...(scenario.under ?? []),
      ...(scenario.deny === undefined ? [] : [join(host.folder, 'deny'), scenario.deny]),
      ...[nodeProgram, ctlBundle, '--json', '--socket', join(host.runFolder, 'admin.sock'), 'doctor'],
      ...['--client', host.client, '--sshd-config', config],
      ...(scenario.policy === undefined ? [] : ['--config', await this.#policy(folder, scenario.policy)]),
      ...(scenario.args ?? ['--user', user.name]),
    ];
    const namespaces = ['--mount', '--propagation', 'private', ...(scenario.namespaces ?? [])];
    const finished = await run('unshare', [...namespaces, 'bash', script, ...command], {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        D: folder,
        CLIENT: host.client,
        NAME: user.name,
        HOME_FOLDER: user.home,
        OWN_UID: String(user.uid),
        HOST_FOLDER: host.folder,
      },
    });
    if (finished.stdout.length === 0) throw new Error(describeFinished(finished));
    const report = JSON.parse(finished.stdout.toString()) as Report;
    if (finished.code !== report.status)
      throw new Error(`status ${finished.code}, but it says ${report.status}`);
    return report;
  }

  async #policy(folder: string, text: string): Promise<string> {
    const file = join(folder, 'dockersh.ini');
    await writeFile(file, text);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
