// AppArmor: the package's profiles confine what reads archives and layers, which does its work in them, and they hold
// by themselves when such a program is taken over. Debian's kernel has AppArmor, but not Ubuntu's restriction of user
// namespaces: of the profile for nesting it shows that it is loaded and kept.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkout, nativeFolder } from '../../fixtures/paths.ts';
import { runOk } from '../../fixtures/process.ts';
import type { Machine } from '../machine.ts';
import { type OnKernel, patience, testMs } from './on-kernel.ts';

const tool = '/usr/lib/dockersh/dockersh-layer';
const profiles = ['chain', 'list', 'pack', 'unpack'].map((job) => `dockersh-layer-${job} (enforce)\n`);
const relay = 'dockersh-relay (enforce)\n';
const loaded = "grep '^dockersh' /sys/kernel/security/apparmor/profiles | sort";

/** The jobs, each with what it is to be refused by its profile alone, the folders it is made for being in `work`. */
const takenOver = {
  list: { args: '', read: false },
  pack: { args: 'work/below', read: true },
  chain: { args: '/var/lib/dockersh/images/taken work/below work/new', read: true },
};
const writing = ['write to a file', 'truncate a file', 'make a file', 'make a folder', 'rename a file'];
const others = ['remove a file', 'open a device', 'signal a process', 'run a program', 'mount', 'bind'];
const reading = ['read a file', 'list a folder'];

export function apparmorTests(on: OnKernel, machine: () => Machine): void {
  describe('AppArmor', () => {
    it(
      'has the profiles once the package is set up, and doctor looks for them',
      async () => {
        const state = async (): Promise<string | undefined> => {
          const report = JSON.parse(await on.root('dockershctl --json doctor --user ada || true')) as {
            checks: { id: string; state: string }[];
          };
          return report.checks.find(({ id }) => id === 'kernel-apparmor')?.state;
        };
        expect(await state()).toBe('warning'); // it was set up where there was no such kernel
        await on.root('sh /var/lib/dpkg/info/dockersh.postinst configure');
        expect(await on.root(loaded)).toBe([...profiles, relay].join(''));
        expect(await state()).toBe('ok');
      },
      testMs,
    );

    it(
      'confines those who read strangers’ bytes',
      async () => {
        // Each waits for its input, or for somebody to read what it says.
        const seen = await on.root(`cd "$(mktemp -d)"; mkfifo in; mkdir new
          label() { sleep 1; for p in $1 $(cat /proc/$1/task/$1/children); do cat /proc/$p/attr/apparmor/current; done; }
          ${tool} list <in 2>/dev/null & exec 9>in; label $!; exec 9>&-; wait
          ${tool} unpack new <in 2>/dev/null & exec 9>in; label $!; exec 9>&-; wait
          ${tool} pack /usr 2>/dev/null >in & exec 9<in; label $!; exec 9<&-; wait`);
        const [, list, pack, unpack] = profiles;
        expect(seen).toBe([list, unpack, unpack, pack].join(''));
      },
      testMs,
    );

    it(
      'lets them import, run and commit an image, and take all of a user to another place',
      async () => {
        await on.root(`cd "$(mktemp -d)"; mkdir -p root/bin; install -d -m 1777 root/opt; cp /bin/busybox root/bin
          ln -s busybox root/bin/sh; tar -C root -czf root.tar.gz .
          dockershctl image import packed root.tar.gz; dockershctl image import folder root`);
        await on.policy({ user18: { image: 'packed' } });
        await on.root('dockershctl stop user18 || :'); // one of another image may be left of an earlier test
        expect(await on.inside('user18', 'echo kept >/opt/file; busybox cat /opt/file')).toBe('kept\n');
        await on.root('dockershctl commit user18 committed; dockershctl image verify');
        await on.policy({ user18: { image: 'committed' } });
        await on.root('dockershctl stop user18');
        expect(await on.inside('user18', 'echo more >/opt/more; busybox cat /opt/file')).toBe('kept\n');
        await on.root(`dockershctl user export user18 /root/user18.tar; dockershctl user forget user18 --force --yes
          dockershctl user import /root/user18.tar; rm /root/user18.tar`);
        expect(await on.inside('user18', 'busybox cat /opt/file /opt/more')).toBe('kept\nmore\n');
      },
      testMs,
    );

    it.each(Object.entries(takenOver))(
      'stops who takes over %s where there is no other wall',
      async (job, { args, read }) => {
        const folder = await mkdtemp(join(tmpdir(), 'dockersh-test-'));
        try {
          const built = join(folder, 'dockersh-layer');
          await runOk('make', ['-s', '-C', nativeFolder, `BUILD=${folder}`, 'TAKEN_OVER=yes', built], {
            timeoutMs: 170_000,
          });
          const input = await readFile(built);
          const tried = await machine().ssh(
            'root',
            `cp -p ${tool} real; cat >taken; mkdir -p work/below work/new; echo secret >victim; sleep 1000 & victim=$!
            install -m 755 taken ${tool}
            NO_WALL=yes VICTIM_FILE=/root/victim VICTIM_FOLDER=/root/work/below VICTIM_PID=$victim ${tool} ${job} ${args} 2>&1 </dev/null
            cp -p real ${tool}; kill $victim; cat victim`,
            { ...patience, input },
          );
          const said = tried.stdout.toString();
          expect(said).toContain('tried everything\nsecret\n');
          for (const name of [...writing, ...others])
            expect(said).toContain(`\n${name}: Permission denied\n`);
          for (const name of reading)
            expect(said).toContain(`${name}: ${read ? 'DONE' : 'Permission denied'}\n`);
        } finally {
          await rm(folder, { recursive: true });
        }
      },
      testMs,
    );

    it(
      'keeps the profile for nesting on all that the supervisor starts',
      async () => {
        const input = await readFile(join(checkout, 'packaging/apparmor/dockersh'));
        const file = '/etc/apparmor.d/dockersh';
        await machine().ssh('root', `cat >${file}; apparmor_parser -r ${file}; systemctl restart dockershd`, {
          ...patience,
          input,
        });
        await on.policy({ user18: { nesting: 'yes' } });
        await on.root('dockershctl stop user18');
        const nested = "cat /proc/self/attr/apparmor/current; unshare -Ur sh -c 'id -u'";
        expect(await on.inside('user18', nested)).toBe('dockersh (unconfined)\n0\n');
        await on.root(`apparmor_parser -R ${file}; rm ${file}; systemctl restart dockershd`);
      },
      testMs,
    );
  });
}

/** The last of all: there is no policy, no image and no service afterwards. */
export function purgeTest(on: OnKernel): void {
  it(
    'a purge takes the AppArmor profiles out of the kernel',
    async () => {
      const purge = 'DPKG_MAINTSCRIPT_PACKAGE=dockersh sh /var/lib/dpkg/info/dockersh.postrm purge';
      expect(await on.root(`${loaded} | wc -l; ${purge} >&2; ${loaded} | wc -l`)).toBe('5\n0\n');
    },
    testMs,
  );
}
