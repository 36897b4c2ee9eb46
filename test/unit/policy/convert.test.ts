// Tests of converting the configuration of the dockersh of 2014.

import { describe, expect, test } from 'vitest';
import { convertOldConfig } from '../../../src/policy/convert/convert.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';

const alice = { name: 'alice', uid: 1000, group: 'lab', groups: ['lab'], home: '/home/alice', host: 'box' };

test('an old file gives the policy that means the same', () => {
  const old = `[dockersh]
imagename = "%u/shell" ; theirs
shell = /bin/bash
mounthome
mounttmp
enableuserconfig
enableusershell
dockeropt = -m
dockeropt = 32m
dockeropt = -v /data:/data:ro
dockeropt = --volume=/scratch:/scratch
dockeropt = --privileged

[user "some admin"]
imagename = ubuntu:precise
mounthome = false
mountdockersocket
`;
  const { text, notes } = convertOldConfig(old);
  const { policy, problems } = parsePolicy(text, 'p');
  expect(problems).toEqual([]);
  if (policy === undefined) throw new Error(text);
  expect(evaluate(policy, alice)).toMatchObject({
    policy: {
      image: 'alice/shell',
      shell: '/bin/bash',
      home: 'host',
      memoryLimitBytes: 32 * 1024 ** 2,
      userMaySet: ['shell'],
      mounts: [
        { source: '/data', target: '/data', writable: false },
        { source: '/scratch', target: '/scratch', writable: true },
      ],
    },
  });
  expect(evaluate(policy, { ...alice, name: 'some admin' })).toMatchObject({
    policy: { image: 'ubuntu:precise', home: 'private', shell: '/bin/bash' },
  });
  expect(notes.map(({ line, message }) => [line, message.split(':')[0]])).toEqual([
    [5, 'mounttmp'],
    [12, 'dockeropt --privileged'],
    [17, 'mountdockersocket'],
  ]);
});

test('what held without a word is said', () => {
  for (const old of ['', '[dockersh]\n', '[user "bob"]\nshell = /bin/zsh\n']) {
    const { policy } = parsePolicy(convertOldConfig(old).text, 'p');
    if (policy === undefined) throw new Error(old);
    expect(evaluate(policy, alice)).toMatchObject({
      policy: { image: 'busybox', shell: '/bin/ash', network: { kind: 'private' } },
    });
    expect(policy.defaults[0]?.settings.get('network')?.text).toBe('private');
  }
});

/** What a line of options comes to: the keys that it sets, and what is said of it. What holds without a word is not shown. */
function converted(options: string): { readonly keys: Record<string, string>; readonly notes: string[] } {
  const { text, notes } = convertOldConfig(`[dockersh]\nimagename = base\ndockeropt = ${options}\n`);
  const { policy, problems } = parsePolicy(text, 'p');
  expect(problems, text).toEqual([]);
  const [section] = policy?.defaults ?? [];
  const settings = [...(section?.settings ?? [])].filter(
    ([key]) => key !== 'image' && key !== 'shell' && (key !== 'network' || /--?net/.test(options)),
  );
  const variables = [...(section?.env ?? [])].map(([name, setting]) => [`env.${name}`, setting] as const);
  const keys = [...settings, ...variables].map(([key, setting]) => [key, setting.text]);
  return { keys: Object.fromEntries(keys), notes: notes.map(({ message }) => message) };
}

describe('options of docker run that have a key', () => {
  test.each<[string, Record<string, string>]>([
    ['-m 1g', { memory: '1G' }],
    ['-m1.5GB', { memory: '1536M' }],
    ['--memory=67108864', { memory: '64M' }],
    ['--memory 0', { memory: 'none' }],
    ['--memory 1g --memory-swap -1', { memory: '1G', swap: 'none' }],
    ['--memory-swap=1536m --memory=1g', { memory: '1G', swap: '512M' }],
    ['--memory 1024m --memory-swap 1g', { memory: '1G', swap: '0' }],
    ['--memory 1g --memory-swap 0', { memory: '1G' }],
    ['--cpus 1.5', { cpus: '1.5' }],
    ['--cpus=0', { cpus: 'none' }],
    ['--cpu-quota 50000', { cpus: '0.5' }],
    ['--cpu-period=20000 --cpu-quota=50000', { cpus: '2.5' }],
    ['--cpu-quota -1', { cpus: 'none' }],
    ['-c 512', { cpu_weight: '50' }],
    ['--cpu-shares 262144', { cpu_weight: '10000' }],
    ['--cpuset-cpus 0-3,8', { cpuset: '0-3,8' }],
    ['--cpuset=1', { cpuset: '1' }],
    ['--pids-limit 200', { pids: '200' }],
    ['--pids-limit -1', { pids: 'none' }],
    ['--shm-size 64m', { shm_size: '64M' }],
    ['--tmpfs /tmp:rw,size=128m,mode=1777', { tmp_size: '128M' }],
    ['--tmpfs /tmp', { tmp_size: 'none' }],
    ['--mount type=tmpfs,target=/dev/shm,tmpfs-size=1048576', { shm_size: '1M' }],
    ['--ulimit nofile=1024', { open_files: '1024' }],
    ['--ulimit memlock=65536 --ulimit stack=8388608', { locked_memory: '64K', stack_size: '8M' }],
    ['--ulimit cpu=60:60 --ulimit fsize=-1', { process_time: '60s', file_size: 'none' }],
    ['-h %u-box', { hostname: '%u-box' }],
    ['-v /a:/b -v /c:/d:Z,ro', { mounts: '/a:/b:rw /c:/d:ro' }],
    ['--mount type=bind,source=/a,target=/b,readonly', { mounts: '/a:/b:ro' }],
    ['--mount type=bind,src=/a,dst=/b', { mounts: '/a:/b:rw' }],
    ['--device /dev/kvm', { devices: '/dev/kvm' }],
    ['--device=/dev/kvm --device=/dev/fuse:/dev/fuse:rwm', { devices: '/dev/kvm /dev/fuse' }],
    [
      '--device /dev/video0:r --device /dev/video1:/dev/video1:rm',
      { devices: '/dev/video0:r /dev/video1:r' },
    ],
    ['-e EDITOR=vim --env=A=b=c', { 'env.EDITOR': 'vim', 'env.A': 'b=c' }],
    ['-e GREETING=a;b#"c', { 'env.GREETING': 'a;b#"c' }],
    ['-e EMPTY=', { 'env.EMPTY': '' }],
    ['--net=host', { network: 'host' }],
    ['--network none', { network: 'none' }],
    ['--net bridge', { network: 'private' }],
    ['--network default', { network: 'private' }],
    ['--dns 192.0.2.53 --dns=2001:db8::53', { dns: '192.0.2.53 2001:db8::53' }],
    ['--stop-timeout 30', { stop_grace: '30s' }],
  ])('%s', (options, keys) => {
    expect(converted(options.includes(';') ? JSON.stringify(options) : options)).toEqual({ keys, notes: [] });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      '--device-read-bps /dev/sda:1mb',
      { io_read: '1M' },
      /"io_read" is about the disk that holds what users/,
    ],
    ['--device-write-bps=/dev/sda:65536', { io_write: '64K' }, /"io_write" is about/],
    ['--device-read-iops /dev/sda:100', { io_read_ops: '100' }, /"io_read_ops" is about/],
    ['--device-write-iops /dev/sda:100', { io_write_ops: '100' }, /"io_write_ops" is about/],
    ['--ulimit nofile=1024:4096', { open_files: '4096' }, /nofile=1024:4096: 4096 counts/],
    ['--storage-opt size=10G', { disk: '10G' }, /"disk" counts the private home as well/],
    ['--network=course', { network: 'private' }, /need the same name in "networks"/],
    ['--net container:other', { network: 'private' }, /"networks"/],
    ['-p 127.0.0.1:8080:80', { publish: '127.0.0.1:8080:80' }, /a port is one sandbox/],
    ['-p 53:53/udp', { publish: '0.0.0.0:53:53/udp' }, /a port is one sandbox/],
    [
      '--publish [::1]:8000-8009:9000-9009',
      { publish: '[::1]:8000-8009:9000-9009' },
      /a port is one sandbox/,
    ],
    ['-p 80', { publish: '+0:80' }, /"publish_pool"/],
    ['-p 127.0.0.1::80/udp', { publish: '+0:80/udp' }, /"publish_pool"/],
    ['-e WHO=%u', { 'env.WHO': '%u' }, /env\.WHO: nothing is expanded/],
  ])('%s, with a word about what differs', (options, keys, note) => {
    expect(converted(options)).toEqual({ keys, notes: [expect.stringMatching(note)] });
  });

  test.each([
    ['--memory-swap 2g', /sum of memory and swap/],
    ['--memory 2g --memory-swap 1g', /--memory-swap 1g: left out/],
    ['--memory lots', /--memory lots: left out; its value is not understood/],
    ['--memory', /--memory: left out; its value is not understood/],
    ['--ulimit nproc=50', /"pids" bounds/],
    ['--ulimit core=0', /no key sets it/],
    ['--ulimit nofile=many', /not understood/],
    ['--tmpfs /scratch:size=1g', /nothing else can be/],
    ['-v data:/data', /by their paths/],
    ['--device /dev/sda1:/dev/disk', /not \/dev\/disk/],
    ['--device /dev/kvm:w-x', /not \w-x|w-x/],
    ['--device /dev/kvm:m', /can be read, or read and written/],
    ['--device-read-bps 1mb', /not understood/],
    ['-e TERM', /needs its value/],
    ['-p 80:http', /not understood/],
    ['-p 1.2.3.400:80:80', /not understood/],
    ['-p 80:80/sctp', /TCP and UDP alone/],
    ['--dns dns.example', /not understood/],
    ['--dns 127.0.0.53', /loopback/],
    ['--ip 172.17.0.9', /"network_pool"/],
    ['--storage-opt dm.fs=xfs', /"disk" and "inodes"/],
    ['--blkio-weight 300', /no shares/],
    ['--oom-kill-disable', /"oom_kills"/],
    ['--oom-score-adj 10', /"oom_kills"/],
    ['--read-only', /never the image/],
    ['-u 1000:1000', /--user 1000:1000: left out; users are themselves inside/],
    ['-w /srv', /logins start at home/],
    ['--link db', /"networks"/],
    ['--cap-add=SYS_ADMIN', /capabilities/],
    ['--security-opt seccomp=unconfined', /"seccomp" names another/],
    ['--privileged', /nobody gets that/],
    ['--label a=b', /--label a=b: left out; it has no equivalent/],
    ['constructor', /constructor: left out; it has no equivalent/],
  ])('%s is left out, with the reason', (options, note) => {
    const { keys, notes } = converted(options);
    expect(notes.join('\n')).toMatch(note);
    expect(Object.keys(keys)).toEqual(options.startsWith('--memory 2g') ? ['memory'] : []);
  });

  test('what follows an option without a value is an option of its own', () => {
    const { keys, notes } = converted(
      '--read-only --cpus 2 -t -m 1g --rm --pids-limit=64 --foo --cpuset-cpus 0',
    );
    expect(keys).toEqual({ cpus: '2', memory: '1G', pids: '64', cpuset: '0' });
    expect(notes.map((note) => note.split(':')[0])).toEqual(
      ['--read-only', '--tty', '--rm', '--foo'].map((option) => `dockeropt ${option}`),
    );
  });
});

describe('what has no equivalent is named', () => {
  test.each([
    ['containername = %u_x', /containername: left out/],
    ['usercwd = /', /usercwd: left out/],
    ['reverseforward = 80', /reverseforward: left out/],
    ['enableuserdockeropt', /enableuserdockeropt: left out/],
    ['nonsense = 1', /nonsense: left out; it is not known/],
    ['constructor = 1', /constructor: left out; it is not known/],
    ['= x', /not understood/],
    ['enableusershell', /enableuserconfig is not there/],
    ['imagename = ../x', /needs a look.*image/],
  ])('%s', (line, message) => {
    expect(JSON.stringify(convertOldConfig(`[dockersh]\n${line}\n`).notes)).toMatch(message);
  });

  test('of every setting that there ever was, none is dropped in silence', () => {
    const settings =
      `imagename containername mounthome mounttmp mounthometo mounthomefrom usercwd containerusername
      shell mountdockersocket dockersocket entrypoint cmd dockeropt reverseforward enableuserimagename
      enableusercontainername enableusermounthome enableusermounttmp enableusermounthometo enableusermounthomefrom
      enableuserusercwd enableusercontainerusername enableusershell enableuserentrypoint enableusercmd
      enableuserdockeropt`.split(/\s+/);
    for (const setting of settings) {
      const { text, notes } = convertOldConfig(`[dockersh]\nenableuserconfig\n${setting} = /bin/x\n`);
      expect(notes.length + (parsePolicy(text, 'p').policy?.defaults.length ?? 0), setting).toBeGreaterThan(
        0,
      );
    }
  });
});
