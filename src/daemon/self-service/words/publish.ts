// @publish: ports of the host that lead into the user's sandbox, within what the policy gives.

import { refusal, type WordHandler } from '../asking.ts';

export const publish: WordHandler = async () => {
  throw refusal('E_SELF_SERVICE', 'the policy of this host gives you no ports');
};
