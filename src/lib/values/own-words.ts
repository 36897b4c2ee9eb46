// Names the words of self-service ("ssh HOST @status"): a closed set, which policy and parser share. Pure.

export const ownWords = [
  'help',
  'status',
  'sessions',
  'attach',
  'detach',
  'snapshot',
  'rollback',
  'reset',
  'images',
  'image',
  'keep',
  'publish',
  'undo',
] as const;
export type OwnWord = (typeof ownWords)[number];
