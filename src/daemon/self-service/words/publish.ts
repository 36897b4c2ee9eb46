// @publish: ports of the host that lead into the user's sandbox, within what the policy gives.

import type { Problem } from '../../../policy/problem.ts';
import { type Answer, type Asking, refusal, type WordHandler, type WordParts } from '../asking.ts';

export const publish: WordHandler = async (asking, parts) => {
  const { command, user, policy } = asking;
  if (policy.network.kind !== 'private') {
    throw refusal('E_SELF_SERVICE', 'your sandbox has no private network, so that no port can lead into it');
  }
  if (command.args.length === 0) return await shown(asking, parts);
  const wanted = command.args.join(' ');
  const { admin, follow } = parts;
  const { problems } = admin.policy.userSettings(user, `publish = ${wanted}\n`, {
    shown: '',
    may: ['publish'],
  });
  const [wrong] = problems;
  if (wrong !== undefined) throw refusal('E_USAGE', reason(wrong));
  await admin.store.owners.claim(user);
  await admin.store.choices.choose(user.uid, 'publish', wanted);
  follow(user.uid);
  const text =
    wanted === 'none' ? 'No port leads into your sandbox.' : `Published from now on: ${wanted}. See @status.`;
  return { json: { publish: command.args }, text };
};

async function shown({ user }: Asking, { admin }: WordParts): Promise<Answer> {
  const network = await admin.engine.networkOf(user.uid);
  const [published, missing] = [network?.published ?? [], network?.missing ?? []];
  const lines = [
    ...published.map((one) => `published: ${one}`),
    ...missing.map((one) => `not to be had: ${one}`),
  ];
  const none = network === undefined ? 'Your sandbox does not run.' : 'No port leads into your sandbox.';
  return { json: { published, missing }, text: lines.length === 0 ? none : lines.join('\n') };
}

/** "publish: port 80 is not yours", for who has typed it. */
const reason = ({ message }: Problem): string => message.replace(/^publish: /, '');
