// Tests of what is read of the kernel's log about processes that were ended for want of memory.

import { describe, expect, it } from 'vitest';
import { OutOfMemoryTeller } from '../../../src/daemon/out-of-memory.ts';
import { type OutOfMemory, parseOutOfMemory } from '../../../src/isolation/cgroup/out-of-memory.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

const record = (memory: string, task: string): string =>
  `6,4711,1234567,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${memory},task_memcg=${memory},task=${task},pid=99,uid=1000\n`;

describe('a record of the kernel', () => {
  it('says whose process was ended, and by whose limit', () => {
    const of = (memory: string, task = 'dd') => parseOutOfMemory(record(memory, task), 'dockersh');
    expect(of('/dockersh/u1000-ada')).toEqual({ uid: 1000, process: 'dd', bySandbox: true });
    expect(of('/a.slice/dockersh/u1000-ada/own/more')).toMatchObject({ uid: 1000, bySandbox: false });
    expect(of('/dockersh/u1000-ada', 'a,pid=1,uid=0')).toMatchObject({ process: 'a,pid=1,uid=0' });
    expect(of('/dockersh/u1000-ada', String.raw`\x1b[2J`)).toMatchObject({ process: String.raw`\x1b[2J` });
  });

  it('is of nobody else, whatever a user calls groups of their own', () => {
    const of = (memory: string) => parseOutOfMemory(record(memory, 'dd'), 'dockersh');
    expect(of('/dockersh/u1000-ada/inside/dockersh/u1001-bob')).toMatchObject({
      uid: 1000,
      bySandbox: false,
    });
    expect(of('/dockersh/u1000-ada/dockersh/u99999999999999999999-x')).toMatchObject({ uid: 1000 });
    expect(of('/dockersh/u99999999999999999999-x')).toBeUndefined();
  });

  it('is nothing where it is about anything else', () => {
    const others = [
      '',
      '6,1,2,-;usb 1-1: new device\n',
      record('/dockersh', 'dd'),
      record('/other/u1000-ada', 'dd'),
      record('/dockersh/supervisors', 'dd'),
      record('/dockersh/u1000-ada', 'dd').replace('oom-kill:', 'user says oom-kill:'),
      '6,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/dockersh/u1000-ada,task=dd,pid=9,uid=1\n',
    ];
    for (const text of others) expect(parseOutOfMemory(text, 'dockersh'), text).toBeUndefined();
  });
});

describe('who is told', () => {
  const uid = Uid.parse(1000);
  const event: OutOfMemory = { uid, process: 'dd', bySandbox: true };
  const told = (memoryLimitBytes: number | null, ...events: OutOfMemory[]): string[] => {
    const said: string[] = [];
    const load = { uid, memoryLimitBytes, sessions: [], connections: [] };
    const say = async (_: Uid, text: string): Promise<number> => said.push(text);
    const records: object[] = [];
    const teller = new OutOfMemoryTeller(
      { loads: () => [load], say },
      { outOfMemory: (about) => void records.push(about) },
      () => 'ada',
    );
    for (const one of events) teller.tell(one);
    expect(records.length).toBe(events.filter((one) => one.uid === uid).length);
    return said;
  };

  it('is whose sandbox it is, once for many, with the limit', () => {
    expect(told(2 * 1024 ** 3, event, event, event)).toEqual(["Your sandbox's memory limit of 2G ended dd."]);
    expect(told(null, { ...event, bySandbox: false })).toEqual([
      'A memory limit that was set in your sandbox ended dd.',
    ]);
    expect(told(null, { ...event, process: '\u001b[2J' })[0]).not.toContain('\u001b');
  });

  it('is nobody where there is no sandbox', () => {
    expect(told(null, { ...event, uid: Uid.parse(1001) })).toEqual([]);
  });
});
