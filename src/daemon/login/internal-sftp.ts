// Tells whether sshd itself would run sftp for a user (internal-sftp): that is no program of the sandbox's and shows what
// sshd sees. The configuration's text is looked through once for as long as it stays as it is; only where it mentions
// internal-sftp, sshd is asked, once for each user and address.

import { spawn } from 'node:child_process';
import { outcomeOf } from '../../lib/child-outcome.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { isSameSshdText, readSshdText, type SshdText } from '../../lib/sshd/config-text.ts';
import { connectionText, nobodysAddress } from '../../lib/sshd/connection-text.ts';

const mostAnswers = 1000;
const patienceMs = 10_000;

export class InternalSftp {
  readonly #config: string;
  readonly #log: Logger;
  #text: SshdText | undefined;
  readonly #answers = new Map<string, Promise<boolean>>();

  constructor(config: string, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  /** Throws E_SFTP_OUTSIDE. Without waiting in the usual case. */
  refuse(user: string, from: string | undefined): Promise<void> | undefined {
    if (this.#text === undefined || !isSameSshdText(this.#text)) {
      this.#text = readSshdText(this.#config);
      this.#answers.clear();
    }
    const { text } = this.#text;
    if (text !== undefined && !/^[^#\n]*internal-sftp/im.test(text)) return undefined;
    return this.#ask(user, from ?? nobodysAddress).then((runs) => {
      if (runs) throw new DockershError('E_SFTP_OUTSIDE', { why: `sshd -T says so of ${user}` });
    });
  }

  async #ask(user: string, from: string): Promise<boolean> {
    const key = `${user}\0${from}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return await known;
    if (this.#answers.size >= mostAnswers) this.#answers.clear();
    const answer = runsInternalSftp(this.#config, user, from);
    this.#answers.set(key, answer);
    try {
      return await answer;
    } catch (error) {
      this.#answers.delete(key);
      this.#log.error({ err: error, user }, 'sshd cannot be asked about internal-sftp');
      return true;
    }
  }
}

/** Rejects where sshd does not say. */
async function runsInternalSftp(config: string, user: string, from: string): Promise<boolean> {
  const about = connectionText(user, from);
  if (about === undefined) throw new Error(`sshd -C cannot be asked about "${user}" from "${from}"`);
  const child = spawn('/usr/sbin/sshd', ['-T', '-f', config, '-C', about], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  const { status, stdout, stderr } = await outcomeOf(child, { maxBytes: 1024 * 1024, stdout: true });
  if (status !== 0) throw new Error(`sshd -T: ${stderr.trim()}`);
  const forced = /^forcecommand (.*)$/m.exec(stdout)?.[1] ?? 'none';
  if (forced !== 'none') return /^internal-sftp\b/.test(forced);
  return /^subsystem \S+ internal-sftp\b/m.test(stdout);
}
