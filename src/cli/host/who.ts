// Finds the account that became root to run dockershctl, for the daemon's records: the audit login uid, which survives
// su and sudo (pam_loginuid(8)), and else what sudo says.

import { readFileSync } from 'node:fs';

/** "ada", or "root" where root has logged in, or nobody says. */
export function whoAsks(env: NodeJS.ProcessEnv = process.env): string {
  const uid = loginUid();
  const name = uid === undefined ? undefined : nameOf(uid);
  return (name ?? env['SUDO_USER'] ?? 'root').slice(0, 64);
}

function loginUid(): string | undefined {
  const uid = read('/proc/self/loginuid').trim();
  return uid === '' || uid === '4294967295' ? undefined : uid; // a process of no login: of cron, or of a service
}

/** From /etc/passwd alone: of a directory's account the number says enough. */
function nameOf(uid: string): string {
  for (const line of read('/etc/passwd').split('\n')) {
    const [name, , number] = line.split(':');
    if (number === uid && name !== undefined) return name;
  }
  return `uid ${uid}`;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // a kernel without audit, or no such file
  }
}
