// git over ssh into a repository in the sandbox's home.

import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: everyMode });

describe.skipIf(lacks('git')).each(everyMode)('as %s', (mode) => {
  it('clones an empty repository, pushes, clones again, fetches, and sees a refused push', async () => {
    const login = world().login(mode);
    const work = await mkdtemp(join(login.host.folder, 'git-'));
    const repository = `${uniqueName('repository')} with blank.git`;
    await writeFile(join(work, 'binary'), randomBytes(2_000_000));
    const script = `set -e
      cd "$1"
      export HOME="$1" GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
      $SSH "$HOST" "git init -q --bare -b main '$2'"
      git clone -q "$HOST:$2" one 2>/dev/null
      cd one; git checkout -q -b main
      cp ../binary .; for i in $(seq 200); do echo $i > file$i; done
      git add .; git commit -q -m first; git push -q origin main
      cd ..; git clone -q "ssh://$HOST$($SSH "$HOST" pwd)/$2" two
      cmp one/binary two/binary
      cd two; echo more > more; git add more; git commit -q -m second; git push -q origin main
      cd ../one; git pull -q --ff-only origin main; test -f more
      git reset -q --hard HEAD~1; echo other > other; git add other; git commit -q -m third
      if git push -q origin main 2>../refused; then exit 50; fi
      grep -q rejected ../refused
      git -C ../two fsck --strict
      git ls-remote origin main | wc -l`;
    const result = await login.script(script, [work, repository], { timeoutMs: 110_000 });
    expect(result.code, describeFinished(result)).toBe(0);
    expect(result.stdout.toString()).toMatch(/1\n$/);
  });

  it('says what is wrong with a repository that is not there', async () => {
    const result = await world().login(mode).script('git ls-remote "$HOST:no-such-repository"');
    expect(result.code).toBe(128);
    expect(result.stderr.toString()).toMatch(/does not appear to be a git repository/);
  });
});
