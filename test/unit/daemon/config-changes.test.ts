// Tests of "commit --change", lines as in a Dockerfile.

import { describe, expect, it } from 'vitest';
import { configChanges } from '../../../src/daemon/admin/config-changes.ts';

describe('configChanges', () => {
  it.each([
    [['ENV A=b'], { env: ['A=b'] }],
    [['env A=b C="two words" D=\'x y\' E=a\\ b'], { env: ['A=b', 'C=two words', 'D=x y', 'E=a b'] }],
    [['ENV A the rest of it'], { env: ['A=the rest of it'] }],
    [['ENV A='], { env: ['A='] }],
    [['LABEL a=b', 'LABEL c="d e"'], { labels: { a: 'b', c: 'd e' } }],
    [['WORKDIR /srv/a b'], { workingDir: '/srv/a b' }],
    [['USER 1000:1000'], { user: '1000:1000' }],
    [['CMD ["a","b c"]'], { cmd: ['a', 'b c'] }],
    [['ENTRYPOINT run it'], { entrypoint: ['/bin/sh', '-c', 'run it'] }],
    [[], {}],
  ])('%j', (lines, changes) => {
    expect(configChanges(lines)).toEqual(changes);
  });

  it.each([
    'RUN rm -rf /',
    'ENV',
    'ENV =x',
    'ENV A=b "',
    'WORKDIR srv',
    'CMD [1]',
    'CMD [',
    '',
    'LABEL a=b c',
  ])('refuses %j', (line) => {
    expect(() => configChanges([line])).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });
});
