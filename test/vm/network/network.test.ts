// Private networks beside what else works on a host's network, each as Debian ships it and under its own units:
// systemd-networkd and -resolved, ufw, firewalld, Docker, nftables.

import { afterAll, beforeAll, describe } from 'vitest';
import { suites } from '../remote.ts';
import { firewallTests } from './firewalls.ts';
import { Lan } from './lan.ts';
import { nameTests } from './names.ts';

describe.each(suites)('on Debian %s', (suite) => {
  let lan: Lan;
  let neighbour: string;
  beforeAll(async () => {
    lan = await Lan.create(suite, ['ada', 'bob']);
    neighbour = await lan.answerIn('bob');
  });
  afterAll(async () => {
    await lan?.[Symbol.asyncDispose]();
  });

  nameTests(() => ({ lan, neighbour }));
  firewallTests(() => ({ lan, neighbour }));
});
