// Accounts that are not in /etc/passwd, with the names that directories give: a name service of Debian's that
// reads other files, in a mount namespace in which a daemon of our own runs.

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Host, systemPath } from '../../fixtures/host.ts';
import { buildFolder, ctlBundle, daemonBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';

const names = [
  String.raw`LAB\jdoe`,
  'j.doe@lab.example',
  'a b',
  '$(id)',
  'x-',
  "o'neil",
  'x'.repeat(32),
  'jürgen',
];

const script = `
set -u
put() { cat >"$D/$2"; chmod 644 "$D/$2"; mount --bind "$D/$2" "$1"; }
sed 's/^passwd:.*/passwd: files extrausers/; s/^group:.*/group: files extrausers/' /etc/nsswitch.conf | put /etc/nsswitch.conf nsswitch
mkdir -p /var/lib/extrausers
mount -t tmpfs none /var/lib/extrausers
cp "$D/passwd" "$D/group" /var/lib/extrausers/
"$NODE" "$DAEMON" --config "$D/etc/dockersh.ini" --state "$D/state" --run "$D/run" --libexec "$LIBEXEC" \\
  --cgroup "$CGROUP" --log-file "$D/log/dockershd.log" --stop-sandboxes-on-exit &
daemon=$!
for try in $(seq 200); do "$NODE" "$CTL" --socket "$D/run/admin.sock" ps >/dev/null 2>&1 && break; sleep 0.1; done
ctl() { local verb=$1; shift; "$NODE" "$CTL" --json --socket "$D/run/admin.sock" user "$verb" --client "$D/bin/dockersh" --sshd-config "$D/sshd_config" "$@"; }
forced() { /usr/sbin/sshd -T -f "$D/sshd_config" -C "user=$1,host=h,addr=192.0.2.1,laddr=192.0.2.1,lport=22,rdomain=" | grep ^forcecommand; }
failed=0
while IFS=: read -r name _ uid gid _ home _; do
  ctl enable -- "$name" >/dev/null 2>"$D/err" && { echo "$name: enabled without --how"; failed=1; }
  grep -q 'not in /etc/passwd' "$D/err" || { echo "$name: $(cat "$D/err")"; failed=1; }
  ctl enable --how sshd --files move -- "$name" >/dev/null || failed=1
  [[ $(forced "$name") == "forcecommand $D/bin/dockersh" ]] || { echo "$name: $(forced "$name")"; failed=1; }
  seen=$(setpriv --reuid="$uid" --regid="$gid" --clear-groups "$D/bin/dockersh" -c 'cat ~/file; id -u' </dev/null)
  [[ $seen == "precious"$'\\n'"$uid" ]] || { echo "$name: $seen"; failed=1; }
  [[ $(stat -c %u "$home") == 0 ]] || { echo "$name: no stub"; failed=1; }
  ctl disable -- "$name" >/dev/null || failed=1
  [[ $(stat -c %u "$home") == "$uid" && $(cat "$home/file") == precious ]] || { echo "$name: home"; failed=1; }
  [[ $(forced "$name") == "forcecommand none" ]] || { echo "$name: $(forced "$name")"; failed=1; }
done <"$D/passwd"
kill -TERM $daemon
wait $daemon || failed=1
exit $failed
`;

it('are enabled by sshd, whatever their names', async () => {
  await using host = await Host.start();
  await host.killDaemon('SIGTERM');
  const { folder } = host;
  const lines: string[] = [];
  for (const [index, name] of names.entries()) {
    const uid = 64_400 + index;
    const home = join(folder, 'homes', String(uid));
    host.uids.push(uid);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'file'), 'precious\n');
    await runOk('chown', ['-R', `${uid}:${uid}`, home]);
    lines.push(`${name}:x:${uid}:${uid}::${home}:/bin/bash`);
  }
  await writeFile(join(folder, 'passwd'), `${lines.join('\n')}\n`);
  await writeFile(
    join(folder, 'group'),
    names.map((_, index) => `dshg${index}:x:${64_400 + index}:\n`).join(''),
  );
  await mkdir(join(folder, 'sshd_config.d'));
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host_key')]);
  await writeFile(
    join(folder, 'sshd_config'),
    `Include ${folder}/sshd_config.d/*.conf\nHostKey ${folder}/host_key\n`,
  );
  await writeFile(join(folder, 'script'), script);
  await chmod(join(folder, 'homes'), 0o755);
  const finished = await run('unshare', ['-m', '--propagation', 'private', 'bash', join(folder, 'script')], {
    env: {
      PATH: systemPath,
      LANG: 'C.UTF-8',
      D: folder,
      NODE: nodeProgram,
      DAEMON: daemonBundle,
      CTL: ctlBundle,
      LIBEXEC: buildFolder,
      CGROUP: host.cgroup,
    },
    timeoutMs: 170_000,
  });
  expect(finished.code, `${describeFinished(finished)}\n${host.logTail()}`).toBe(0);
}, 180_000);
