// The DNS relay, with real name servers on the host: it answers what they would, keeps to the bounds of a sandbox, and
// outlives whatever happens to its files and its supervisors.

import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RelayHost, type RelaySandbox } from '../../fixtures/network/relay.ts';
import { waitUntil } from '../../fixtures/process.ts';

let relayHost: RelayHost;
let sandbox: RelaySandbox;

const zone = [
  'local-zone: "example." static',
  'local-data: "www.example. 300 IN A 198.51.100.1"',
  'local-data: "www.example. 300 IN AAAA 2001:db8::1"',
  'local-data: "text.example. 300 IN TXT hello"',
  ...Array.from({ length: 80 }, (_, n) => `local-data: "big.example. 300 IN A 198.51.100.${n}"`),
];

beforeAll(async () => {
  relayHost = await RelayHost.create('search example\nnameserver 127.0.0.53\n');
  await relayHost.unbound('127.0.0.53', zone);
  sandbox = await relayHost.sandbox('name ada-host 10.99.0.7\nname ada-host fd00::7\n');
});

afterAll(async () => {
  await relayHost?.[Symbol.asyncDispose]();
});

describe('answers', () => {
  it('what the server of the host answers, by UDP and TCP', async () => {
    for (const tcp of [false, true]) {
      expect(await sandbox.ask('www.example', { tcp })).toMatchObject({ code: 0, answers: ['198.51.100.1'] });
      expect(await sandbox.ask('WwW.Example', { tcp, type: 28 })).toMatchObject({ answers: ['2001:db8::1'] });
      expect(await sandbox.ask('text.example', { tcp, type: 16 })).toMatchObject({
        answers: ['0568656c6c6f'],
      });
      expect(await sandbox.ask('none.example', { tcp })).toMatchObject({ code: 3, answers: [] });
    }
  });

  it('as much as there is room for', async () => {
    const plain = await sandbox.ask('big.example');
    expect(plain).toMatchObject({ code: 0, truncated: true });
    expect(plain.bytes).toBeLessThanOrEqual(512);
    expect((await sandbox.ask('big.example', { size: 4096 })).answers).toHaveLength(80);
    expect((await sandbox.ask('big.example', { tcp: true })).answers).toHaveLength(80);
  });

  it("the sandbox's own name itself", async () => {
    expect(await sandbox.ask('ADA-host')).toMatchObject({ code: 0, answers: ['10.99.0.7'] });
    expect(await sandbox.ask('ada-host', { type: 28, tcp: true })).toMatchObject({ answers: ['fd00::7'] });
    expect(await sandbox.ask('ada-host', { type: 16, size: 1232 })).toMatchObject({ code: 0, answers: [] });
    await sandbox.policy('name ada-host 10.99.0.7\nname grace 10.99.0.8\n');
    expect(await sandbox.ask('grace')).toMatchObject({ answers: ['10.99.0.8'] });
  });

  it('what is no question with an error, or not at all', async () => {
    const head = '1234010000010000000000';
    expect(await sandbox.asks({ raw: `${head}0003777777` })).toMatchObject([{ code: 1 }]);
    expect(await sandbox.asks({ raw: '12342800000100000000000000060001' })).toMatchObject([{ code: 4 }]);
    // A transfer, and a class that is not the Internet's.
    expect(await sandbox.asks({ raw: `${head}00037777770000fc0001` })).toMatchObject([{ code: 5 }]);
    expect(await sandbox.asks({ raw: `${head}00037777770000100003` })).toMatchObject([{ code: 5 }]);
    for (const raw of ['1234', '123481800001000000000000037777770000010001'])
      expect(await sandbox.asks({ raw, seconds: 0.3 })).toMatchObject([{ error: 'timeout' }]);
    expect(await sandbox.ask('www.example')).toMatchObject({ code: 0 });
  });
});

describe('the process', () => {
  it('has no right left', async () => {
    const status = await readFile(`/proc/${relayHost.relay.pid}/status`, 'utf8');
    const value = (name: string): string =>
      new RegExp(`^${name}:[\\t ]*(.*?) *$`, 'm').exec(status)?.[1] ?? '';
    expect(value('Uid')).toMatch(/^(2147439428)\t\1\t\1\t\1$/);
    expect(value('Gid')).toMatch(/^(2147439428)\t\1\t\1\t\1$/);
    expect(value('Groups')).toBe('');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(value(set)).toMatch(/^0+$/);
    expect(value('NoNewPrivs')).toBe('1');
    expect(value('Seccomp')).toBe('2');
  });

  it('is one for a socket: another one ends at once', async () => {
    const program = `/proc/${relayHost.relay.pid}/exe`;
    expect((await relayHost.host.run(program, [relayHost.socket, relayHost.resolvConf])).code).toBe(0);
    expect(await sandbox.ask('www.example')).toMatchObject({ code: 0 });
  });

  it('may be killed: a question that comes meanwhile is answered by the next one', async () => {
    await relayHost.kill();
    const asked = sandbox.ask('www.example', { seconds: 5 });
    const again = sandbox.ask('www.example', { tcp: true, seconds: 5 });
    relayHost.restart();
    expect(await asked).toMatchObject({ answers: ['198.51.100.1'] });
    expect(await again).toMatchObject({ answers: ['198.51.100.1'] });
  });

  it('closes everything of a sandbox whose supervisor has gone, also in the middle of questions', async () => {
    const open = async (): Promise<string> =>
      await relayHost.host.ok('sh', '-c', `ls /proc/${relayHost.relay.pid}/fd | wc -l`);
    const before = await open();
    const other = await relayHost.sandbox();
    await other.ask('www.example', { tcp: true });
    expect(await open()).not.toBe(before);
    await other[Symbol.asyncDispose]();
    await waitUntil(async () => (await open()) === before, 'the relay to close what was the sandbox');
  });

  it('ends when nobody has been connected for a while, and says nothing to strangers', async () => {
    await using lonely = await RelayHost.create('');
    const { code } = await lonely.relay.finished(20_000);
    expect(code).toBe(0);
  });
});

describe('resolv.conf', () => {
  const follow = async (name: string, answer: string): Promise<void> => {
    await waitUntil(
      async () => (await sandbox.ask(name, { seconds: 1 })).answers?.[0] === answer,
      `${name} to be ${answer}`,
    );
  };

  it('is followed when it is written, replaced, linked and gone, under a running sandbox', async () => {
    await relayHost.dnsmasq('192.0.2.1', ['--address=/where.example/203.0.113.1']);
    await relayHost.dnsmasq('192.0.2.2', ['--address=/where.example/203.0.113.2']);
    await relayHost.unbound('2001:db8:53::1', ['local-data: "where.example. IN A 203.0.113.3"']);
    const file = relayHost.resolvConf;
    await writeFile(file, 'nameserver 192.0.2.1\n');
    await follow('where.example', '203.0.113.1');
    await writeFile(`${file}.new`, '# a comment\n  \nnameserver\t192.0.2.2 # here\n');
    await rename(`${file}.new`, file);
    await follow('where.example', '203.0.113.2');
    const linked = join(relayHost.folder, 'unbound.resolv');
    await writeFile(linked, 'nameserver 2001:db8:53::1\n');
    await rm(file);
    await symlink('unbound.resolv', file);
    await follow('where.example', '203.0.113.3');
    await writeFile(linked, 'nameserver 192.0.2.1\n');
    await follow('where.example', '203.0.113.1');
    await rm(file); // nothing to go by: as before
    expect(await sandbox.ask('where.example')).toMatchObject({ answers: ['203.0.113.1'] });
    await writeFile(file, 'nameserver 127.0.0.53\n');
    await follow('www.example', '198.51.100.1');
  });

  it('is not asked where the policy names servers, one of them gone', async () => {
    const other = await relayHost.sandbox('server 192.0.2.3\nserver 192.0.2.1\n');
    expect(await other.ask('where.example')).toMatchObject({ answers: ['203.0.113.1'] });
    expect((await other.ask('where.example', { tcp: true })).answers).toEqual(['203.0.113.1']);
  });
});

describe('a server that lies', () => {
  beforeAll(async () => {
    await relayHost.fake('192.0.2.3');
  });

  it('is not believed what was not asked of it', async () => {
    const asking = await relayHost.sandbox('server 192.0.2.3\n');
    expect(await asking.ask('spoofed.example')).toMatchObject({ answers: ['198.51.100.1'] });
    expect(await asking.ask('spoofed.example', { tcp: true })).toMatchObject({ answers: ['198.51.100.1'] });
    expect(await asking.ask('large.example')).toMatchObject({ truncated: true, answers: [] });
    expect((await asking.ask('large.example', { tcp: true })).answers).toHaveLength(200);
  });

  it('or is silent or fails, is not waited for where there is another', async () => {
    const asking = await relayHost.sandbox('server 192.0.2.3\nserver 127.0.0.53\n');
    expect(await asking.ask('fails.example')).toMatchObject({ code: 3 }); // the other's answer
    const silent = await asking.ask('silent.example');
    expect(silent).toMatchObject({ code: 3 });
    expect(silent.seconds).toBeGreaterThan(0.9);
    expect(silent.seconds).toBeLessThan(2);
  });
});

describe('names in rules', () => {
  let ruled: RelaySandbox;
  beforeAll(async () => {
    ruled = await relayHost.sandbox(
      'server 192.0.2.3\npin 1 alias.example\npin 2 *.wild.example\npin 3 plain.wild.example\npin 4 ages.example\npin 5 broken.example\npin 6 large.example\n',
    );
  });

  it('are pinned before the answer is given, in every set that names them', async () => {
    expect(await ruled.ask('plain.wild.example')).toMatchObject({ answers: ['198.51.100.1'] });
    expect(ruled.pins).toEqual([
      { set: 2, address: '198.51.100.1', seconds: 300 },
      { set: 3, address: '198.51.100.1', seconds: 300 },
    ]);
  });

  it('and no other ones: an alias counts where it begins with the question, nothing else in an answer does', async () => {
    const before = ruled.pins.length;
    expect((await ruled.ask('alias.example')).answers).toHaveLength(7);
    expect(ruled.pins.slice(before)).toEqual([{ set: 1, address: '198.51.100.9', seconds: 300 }]);
    for (const name of [
      'wild.example',
      'notwild.example',
      'evilwild.example',
      'plain.example',
      'alias.example.org',
    ])
      expect(await ruled.ask(name)).toMatchObject({ code: 0 });
    expect(ruled.pins).toHaveLength(before + 1);
  });

  it('for as long as the answer may be used, within bounds', async () => {
    const before = ruled.pins.length;
    await ruled.ask('ages.example', { tcp: true });
    expect(ruled.pins.slice(before).map(({ seconds }) => seconds)).toEqual([300, 604_800]);
  });

  it('or the question fails: where the supervisor says no, or nothing, or the answer is broken or too large', async () => {
    expect(await ruled.ask('broken.example')).toMatchObject({ code: 2, answers: [] });
    expect(await ruled.ask('large.example', { tcp: true })).toMatchObject({ code: 0 });
    await ruled.answersPins('no');
    expect(await ruled.ask('alias.example')).toMatchObject({ code: 2, answers: [] });
    await ruled.answersPins('silent');
    expect(await ruled.ask('alias.example', { tcp: true })).toMatchObject({ code: 2, answers: [] });
    expect(await ruled.ask('plain.example')).toMatchObject({ code: 0 });
  });
});

describe('a flood', () => {
  it('of questions, connections and garbage by one sandbox leaves the others their answers', async () => {
    const hostile = await relayHost.sandbox('server 192.0.2.3\n');
    const flooding = Promise.all([
      hostile.asks({ flood: 3, name: 'silent.example' }),
      hostile.asks({ flood: 3, name: 'here.example' }),
      hostile.space.run('/usr/bin/python3', [
        '-c',
        `import socket,time
held=[]
end=time.monotonic()+3
while time.monotonic()<end:
    try:
        c=socket.socket(); c.settimeout(0.1); c.connect(('10.99.0.1',53)); held.append(c)
    except OSError: time.sleep(0.01)
    if len(held)>200: held.pop(0).close()`,
      ]),
    ]);
    const times: number[] = [];
    const stop = Date.now() + 2500;
    while (Date.now() < stop) {
      const answers = await sandbox.asks(...Array.from({ length: 20 }, () => ({ name: 'www.example' })));
      for (const answer of answers) {
        expect(answer).toMatchObject({ answers: ['198.51.100.1'] });
        times.push(answer.seconds);
      }
    }
    const [udp] = await flooding;
    expect((udp[0] as unknown as { sent: number }).sent).toBeGreaterThan(5000);
    times.sort((a, b) => a - b);
    expect(times[Math.floor(times.length * 0.9)]).toBeLessThan(0.1);
    // And the flooder is answered again afterwards.
    await waitUntil(
      async () => (await hostile.ask('here.example', { seconds: 1 })).code === 0,
      'the flooder to be answered again',
    );
  });
});
