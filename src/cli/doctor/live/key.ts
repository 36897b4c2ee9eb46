// A key of doctor's own by which it logs in as a user for a moment. Written and taken away with the user's rights, unless
// the file's folder is one that only root can change: a link in a home leads root nowhere.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { sysexits } from '../../../lib/errors.ts';
import { checkTrustedPath } from '../../../lib/trusted-path.ts';
import { CliFailure } from '../../failure.ts';
import type { Account } from '../../host/accounts.ts';
import { runCommand } from '../../host/command.ts';
import type { SshdSettings } from '../../host/sshd-settings.ts';

/** What is there already stays as it is: the key is one more line. Says what was missing before. */
const put = `
umask "$3"
[ -d "\${1%/*}" ] || { mkdir -- "\${1%/*}" && echo folder; }
[ -e "$1" ] || echo file
[ -z "$(tail -c 1 -- "$1" 2>/dev/null)" ] || echo >>"$1"
printf '%s\\n' "$2" >>"$1"`;

const take = `
rest=$(grep -vxF -- "$2" "$1"; echo .)
printf '%s' "\${rest%.}" >"$1"
case $3 in *file*) rm -f -- "$1" ;; esac
case $3 in *folder*) rmdir -- "\${1%/*}" ;; esac`;

export class TemporaryKey implements AsyncDisposable {
  /** The private key. */
  readonly identity: string;
  readonly #take: () => Promise<void>;

  private constructor(identity: string, takeAway: () => Promise<void>) {
    this.identity = identity;
    this.#take = takeAway;
  }

  /** `folder`: root's own. Throws CliFailure where no file lets the user in. */
  static async place(account: Account, settings: SshdSettings, folder: string): Promise<TemporaryKey> {
    const identity = join(folder, 'id');
    await runCommand('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'dockershctl-doctor',
      '-f',
      identity,
    ]);
    const line = readFileSync(`${identity}.pub`, 'utf8').trim();
    const file = keysFile(account, settings);
    const isRoots = (await checkTrustedPath(nearestFolder(file))).ok;
    const who = isRoots ? { uid: 0, gid: 0 } : { uid: account.uid, gid: account.gid };
    const shell = async (script: string, ...args: string[]): Promise<string> => {
      const outcome = await runCommand('/bin/sh', ['-c', `set -e${script}`, 'sh', file, line, ...args], who);
      if (outcome?.status === 0) return outcome.stdout;
      throw noKey(account, `${file} cannot be written: ${outcome?.stderr.trim() ?? ''}`);
    };
    const made = await shell(put, isRoots ? '022' : '077');
    return new TemporaryKey(identity, async () => void (await shell(take, made)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#take();
  }
}

/** Of the file, or the one that it is made in. */
const nearestFolder = (file: string): string =>
  existsSync(dirname(file)) ? dirname(file) : dirname(dirname(file));

/** The first file that sshd looks into (AuthorizedKeysFile of sshd_config(5)). */
function keysFile(account: Account, settings: SshdSettings): string {
  const [first = 'none'] = settings.value('authorizedkeysfile').split(/\s+/);
  if (first === 'none') throw noKey(account, 'sshd reads no file with keys of the user’s');
  const expanded = first.replaceAll(/%([%huU])/g, (_, letter: string) =>
    letter === 'h'
      ? account.home
      : letter === 'u'
        ? account.name
        : letter === 'U'
          ? String(account.uid)
          : '%',
  );
  return isAbsolute(expanded) ? expanded : join(account.home, expanded);
}

function noKey({ name }: Account, why: string): CliFailure {
  return new CliFailure({
    code: 'E_LIVE',
    message: `no key could be given to ${name} for a moment: ${why}`,
    hint: 'Name the private key of one that lets the user in: --identity FILE.',
    exitCode: sysexits.unavailable,
  });
}
