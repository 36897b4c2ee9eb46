import { describe, expect, test } from 'vitest';
import { convertOldConfig } from '../../../src/policy/convert.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';

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
      memoryBytes: 32 * 1024 ** 2,
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
    expect(evaluate(policy, alice)).toMatchObject({ policy: { image: 'busybox', shell: '/bin/ash' } });
  }
});

describe('what has no equivalent is named', () => {
  test.each([
    ['containername = %u_x', /containername: left out/],
    ['usercwd = /', /usercwd: left out/],
    ['reverseforward = 80', /reverseforward: left out/],
    ['enableuserdockeropt', /enableuserdockeropt: left out/],
    ['nonsense = 1', /nonsense: left out; it is not known/],
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
