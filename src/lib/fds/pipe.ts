// Opens the ends of a named pipe (fifo(7)) without waiting for who has the other one: through a pipe whose name is passed
// on, two programs that share a socket for requests alone pass bytes, as many as the slower of them takes.

import { closeSync, constants, openSync, type PathLike } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { DockershError, hasErrno } from '../errors.ts';
import { ifThere } from '../if-there.ts';

export async function isPipe(file: PathLike): Promise<boolean> {
  return (await ifThere(stat(file)))?.isFIFO() === true;
}

/** Ends when nobody has the other end open any more, once somebody had. */
export function readEnd(pipe: string): Socket {
  const fd = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  return new Socket({ fd, readable: true, writable: false });
}

/** Throws E_NOT_FOUND where nobody reads. */
export function writeEnd(pipe: string): Socket {
  try {
    const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    return new Socket({ fd, readable: false, writable: true });
  } catch (error) {
    if (!hasErrno(error, 'ENXIO')) throw error;
    throw new DockershError('E_NOT_FOUND', { what: pipe, why: 'nobody reads from this pipe' });
  }
}

/** Keeps an end open that nobody uses: the other one can be opened, and sees no end of it. May be disposed twice. */
export function holdEnd(pipe: string, end: 'read' | 'write'): Disposable {
  const access = end === 'read' ? constants.O_RDONLY : constants.O_WRONLY;
  const fd = openSync(pipe, access | constants.O_NONBLOCK | constants.O_NOCTTY);
  let isOpen = true;
  return {
    [Symbol.dispose]: () => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}
