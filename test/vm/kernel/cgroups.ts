// Behaviour that is particular to cgroups of version 2: processes are born in their sandbox's, it is frozen for a
// pause, and controllers are there only where every folder above lets them be.

import { describe, expect, it } from 'vitest';
import { type OnKernel, patience, sandboxes, testMs } from './on-kernel.ts';

export function cgroupTests(on: OnKernel): void {
  describe('membership', () => {
    it(
      'no process is ever moved into a sandbox, and none of it is ever seen outside',
      async () => {
        await on.policy({});
        const tracing = '/sys/kernel/tracing';
        await on.root(`echo >${tracing}/trace; echo 1 >${tracing}/events/cgroup/cgroup_attach_task/enable`);
        // A cold start, warm ones, and one by the administrator, with many short processes.
        const work = 'for i in $(seq 10); do (/bin/true; /bin/true | /bin/cat) & done; wait; echo done';
        expect(await on.inside('user17', work)).toBe('done\n');
        const init = await on.init('user17');
        await using watching = await on.start(
          'root',
          `exec perl -e '
          $| = 1; print "watching\\n"; my ($space, %seen) = readlink "/proc/${init}/ns/pid";
          until (-e "/run/enough") {
            for my $pid (map { m{(\\d+)$} } glob "/proc/[0-9]*") {
              next if (readlink("/proc/$pid/ns/pid") // "") ne $space;
              open my $file, "<", "/proc/$pid/cgroup" or next;
              my $line = <$file> // next;
              $seen{$line}++;
            }
          }
          print keys %seen'`,
          'watching\n',
        );
        await Promise.all([1, 2, 3].map(() => on.inside('user17', work)));
        await on.root('touch /run/enough');
        const seen = (await watching.finished(patience.timeoutMs)).stdout.toString();
        expect(seen).toBe(`watching\n0::${on.folder('user17').replace('/sys/fs/cgroup', '')}\n`);
        await on.root('dockershctl exec user17 -- /bin/true');
        // One move of our own, which shows that moves are seen.
        await on.root('cd /sys/fs/cgroup && mkdir seen && sh -c "echo 0 >seen/cgroup.procs" && rmdir seen');
        const moves = await on.root(
          `echo 0 >${tracing}/events/cgroup/cgroup_attach_task/enable; grep cgroup_attach_task: ${tracing}/trace || true`,
        );
        expect(moves).toContain('dst_path=/seen');
        expect(moves).not.toContain(on.folder('user17').replace('/sys/fs/cgroup', ''));
        expect(moves).not.toContain('dockersh-sandboxes.service/u');
      },
      testMs,
    );
  });

  describe('the files', () => {
    it(
      'are there inside, of the sandbox alone, and to be read',
      async () => {
        await on.policy({ user20: { memory: '300M', cpus: '1' } });
        const seen = await on.inside(
          'user20',
          'cd /sys/fs/cgroup; cat memory.max cpu.max /proc/self/cgroup; find . -writable; mkdir a 2>/dev/null || echo refused',
        );
        expect(seen).toBe(`${300 * 1024 ** 2}\n100000 100000\n0::/\nrefused\n`);
      },
      testMs,
    );
  });

  describe('a cgroup that a killed supervisor left', () => {
    it(
      'is not taken over with its limits, nor frozen as it may be',
      async () => {
        const folder = on.folder('user18');
        await on.root(
          `mkdir -p ${folder}/inside/sessions/x; echo 3 >${folder}/pids.max; echo 1 >${folder}/cgroup.freeze; echo 1M >${folder}/memory.high`,
        );
        expect((await on.as('user18', 'exit 8')).code).toBe(8);
        const files = await on.root(
          `cd ${folder}; cat pids.max memory.high cgroup.freeze; ls -d */ 2>/dev/null || echo whole`,
        );
        expect(files).toBe('1026\nmax\n0\nwhole\n');
      },
      testMs,
    );
  });

  describe('a pause', () => {
    /** A session that counts, in a file of the user's home, and what it has come to. */
    const counting = 'echo on; n=0; while :; do n=$((n + 1)); echo $n >count; sleep 0.3; done';
    const count = `count() { cat /var/lib/dockersh/users/1020/home/count; }`;
    const frozen = `frozen() { cat ${sandboxes}/u1020-pia/cgroup.freeze; grep frozen ${sandboxes}/u1020-pia/cgroup.events; }`;
    const settings = { pia: { image: 'lab/base:1' } };

    it(
      'holds everything while files are read, and all of it runs on',
      async () => {
        await on.root(`mkdir -p /root/base/{bin,srv,etc,tmp,proc,dev,home}; chmod 1777 /root/base/srv
        cp /bin/busybox /root/base/bin/; for name in sh cat head sleep seq true; do ln -s busybox /root/base/bin/$name; done
        dockershctl image import lab/base:1 /root/base; rm -r /root/base`);
        await on.policy(settings);
        await using running = await on.start('pia', counting, 'on\n');
        await on.inside('pia', 'head -c 4000000 /dev/zero >/srv/big');
        for (const verb of ['snapshot pia first', 'commit pia lab/made:1']) {
          const made = JSON.parse(await on.root(`dockershctl --json ${verb}`)) as { pausedMs: number };
          expect(made.pausedMs, verb).toBeGreaterThan(0);
        }
        const [before, after] = (await on.root(`${count}\ncount; sleep 4; count`)).split('\n').map(Number);
        expect(after).toBeGreaterThan(before ?? 0);
        expect(running.exited).toBe(false);
      },
      testMs,
    );

    /**
     * A session that changes a large file again and again, so that all of it is left to be read while everything stands
     * still. By a line at a time: an emulated processor that one session keeps busy is slow for all.
     */
    const changing =
      'head -c 40000000 /dev/zero >/srv/big; echo again; while :; do echo more >>/srv/big; sleep 0.3; done';

    /** Stops what reads the files, says what stands still, does something, and says it again. */
    const during = async (deed: string): Promise<string[]> => {
      const text = await on.root(`${count}\n${frozen}
        dockershctl snapshot pia stuck$$ >/tmp/snapshot 2>&1 &
        reader=$(perl -e 'for (1 .. 500) { my $pid; for my $f (glob "/proc/[0-9]*/cmdline") { open my $h, "<", $f or next;
            next unless (<$h> // "") =~ m{dockersh-layer\\0follow}; ($pid) = $f =~ m{(\\d+)} }
          while (defined $pid && kill 0 => $pid) { open my $h, "<", "${sandboxes}/u1020-pia/cgroup.events" or last;
            next unless grep { /frozen 1/ } <$h>; kill STOP => $pid; print $pid; exit } } exit 1')
        sleep 1; frozen; a=$(count); sleep 2; echo stood $(($(count) - a)); frozen
        ${deed}
        wait; cat /tmp/snapshot`);
      return text.split('\n');
    };
    const held = ['1', 'frozen 1', 'stood 0', '1', 'frozen 1'];

    it(
      'ends at once when the daemon is killed',
      async () => {
        await using running = await on.start('pia', counting, 'on\n');
        await using _ = await on.start('pia', changing, 'again\n');
        const seen = await during(`systemctl kill --signal=KILL --kill-whom=main dockershd.service
        for i in $(seq 25); do [ $(cat ${sandboxes}/u1020-pia/cgroup.freeze) = 1 ] || break; sleep .2; done; frozen; a=$(count); sleep 2; [ $(count) -le $a ] || echo runs on; kill -CONT $reader 2>/dev/null`);
        expect(seen.slice(0, 8), seen.join('\n')).toEqual([...held, '0', 'frozen 0', 'runs on']);
        expect(running.exited).toBe(false);
        expect((await on.as('pia', 'exit 6')).code).toBe(6);
        expect(await on.root('dockershctl snapshot pia --ls')).not.toContain('stuck');
      },
      testMs,
    );

    it(
      'goes with everything in it when the supervisor is killed',
      async () => {
        await using running = await on.start('pia', counting, 'on\n');
        await using _ = await on.start('pia', changing, 'again\n');
        const seen =
          await during(`init=$(grep -l '^NSpid:.*[[:space:]]1$' $(sed 's,.*,/proc/&/status,' ${sandboxes}/u1020-pia/cgroup.procs))
        kill -KILL $(sed -n 's/^PPid:[[:space:]]*//p' $init)
        for i in $(seq 100); do [ -d ${sandboxes}/u1020-pia ] || break; sleep .2; done
        [ -d ${sandboxes}/u1020-pia ] || echo gone; kill -CONT $reader 2>/dev/null`);
        expect(seen.slice(0, 6), seen.join('\n')).toEqual([...held, 'gone']);
        expect((await running.finished()).code).toBe(125);
        expect((await on.as('pia', 'exit 7')).code).toBe(7);
      },
      testMs,
    );

    it(
      'ends when its time is over, also where the daemon stands still',
      async () => {
        await using running = await on.start('pia', counting, 'on\n');
        await using _ = await on.start('pia', changing, 'again\n');
        const seen = await during(`daemon=$(systemctl show -P MainPID dockershd.service); kill -STOP $daemon
        for i in $(seq 150); do [ $(cat ${sandboxes}/u1020-pia/cgroup.freeze) = 1 ] || break; sleep .2; done
        frozen; kill -CONT $daemon; kill -CONT $reader`);
        expect(seen.slice(0, 7), seen.join('\n')).toEqual([...held, '0', 'frozen 0']);
        expect(seen.join('\n')).toContain('could not all be read in the 20 s');
        expect(running.exited).toBe(false);
      },
      testMs,
    );
  });

  describe('a controller that cannot be enabled', () => {
    it(
      'is named by the log and by doctor, with where and why, and the daemon starts',
      async () => {
        const folder = '/sys/fs/cgroup/busy';
        const said =
          await on.root(`mkdir ${folder} /root/d; sleep 600 & busy=$!; echo $busy >${folder}/cgroup.procs
        printf '[defaults]\\nimage = host\\nnetwork = none\\n' >/root/d/dockersh.ini
        /usr/lib/dockersh/node /usr/lib/dockersh/dockershd.js --config /root/d/dockersh.ini --state /root/d/state \\
          --run /root/d/run --libexec /usr/lib/dockersh --cgroup busy/in --log-file /root/d/log 2>&1 & daemon=$!
        for i in $(seq 300); do grep -q '"ready"' /root/d/log 2>/dev/null && break; kill -0 $daemon || break; sleep .2; done
        cat /root/d/log; dockershctl --socket /root/d/run/admin.sock doctor --user ada; cat ${folder}/cgroup.type ${folder}/in/cgroup.type
        kill $daemon $busy; wait
        for i in $(seq 50); do find ${folder} -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep .2; done; rm -rf /root/d`);
        const why = `there is no memory controller for it: ${folder} holds processes itself`;
        expect(said).toContain(`sets \\"memory\\", which can't be enforced: ${why}`);
        expect(said).toContain(`can't be held: "memory": ${why}`);
        expect(said).toContain('domain\ndomain\n'); // and neither has become a folder of threads
      },
      testMs,
    );
  });
}
