// @undo: takes back the last thing that the user has changed by self-service.

import { refusal, type WordHandler } from '../asking.ts';

export const undo: WordHandler = async (asking, { admin, verb, follow }) => {
  const { uid } = asking.user;
  const { choices } = admin.store;
  const last = choices.last(uid);
  if (last === undefined) throw refusal('E_NOT_FOUND', 'there is nothing to take back');
  if (last.kind === 'choice') {
    await choices.takeBack(uid, last);
    follow(uid);
    const now = last.before ?? 'what the policy says';
    const when = last.key === 'image' ? ', from the next start on' : '';
    return {
      json: { undone: last.key, now: last.before },
      text: `@${last.key} is taken back: ${now}${when}.`,
    };
  }
  const { snapshots } = await verb(asking, 'snapshot.ls', {});
  if (!snapshots.some(({ name }) => name === last.snapshot)) {
    await choices.takeBack(uid, last);
    throw refusal(
      'E_NOT_FOUND',
      `the copy from before @${last.word} (${last.snapshot}) is not there any more`,
    );
  }
  const { snapshot, saved } = await verb(asking, 'rollback', { name: last.snapshot });
  await choices.takeBack(uid, last);
  return {
    json: { undone: last.word, snapshot, saved },
    text: `@${last.word} is taken back: the files of your sandbox are as in ${snapshot.name}.`,
  };
};
