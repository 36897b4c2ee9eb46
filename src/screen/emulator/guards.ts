// Replaces handlers of the emulator that a few bytes of output could keep busy for minutes, fill the memory by, or
// throw in. What they do otherwise stays the same.

import { CELL_TEXT } from '../limits.ts';
import { type Core, FG, type InputHandler, type Line, type Params, UNDERLINE } from './internals.ts';

const guarded = new WeakSet<object>();

/** Combining marks beyond the bound are dropped. For all terminals of the process: the lines' class is one. */
export function boundCellText(line: Line): void {
  const prototype = Object.getPrototypeOf(line) as Line;
  if (guarded.has(prototype)) return;
  guarded.add(prototype);
  const { addCodepointToCell } = prototype;
  prototype.addCodepointToCell = function (this: Line, index, codePoint, width) {
    if ((this._combined[index]?.length ?? 0) < CELL_TEXT || this.getString(index).length < CELL_TEXT) {
      addCodepointToCell.call(this, index, codePoint, width);
    }
  };
}

/** Counts that the emulator would carry out one by one, each to at most what makes a difference. */
export function boundCounts(core: Core): void {
  const { _parser: parser } = core._inputHandler;
  const { _bufferService: service } = core;
  const bound = (final: string, most: () => number): void => {
    parser.registerCsiHandler({ final }, (params: Params) => {
      params.params[0] = Math.min(params.params[0] ?? 0, most());
      return false;
    });
  };
  for (const final of ['L', 'M', 'S', 'T']) bound(final, () => service.rows);
  for (const final of ['I', 'Z']) bound(final, () => service.cols);
  bound('b', () => service.rows * service.cols);
  // Shapes of the cursor that there are not would be half of one.
  parser.registerCsiHandler({ intermediates: ' ', final: 'q' }, (params) => (params.params[0] ?? 0) > 6);
}

/**
 * Erasing up to the cursor, where that is at the right edge: the emulator then looks for the next line of the screen
 * among the oldest of the scrollback, and throws where there is none.
 */
export function mendEraseAbove(core: Core): void {
  const { _inputHandler: handler, _bufferService: service } = core;
  const erase = (params: Params, keepProtected: boolean): boolean => {
    if (params.params[0] !== 1) return false;
    handler._restrictCursor(service.cols);
    const { x, y, ybase, lines } = service.buffers.active;
    handler._eraseInBufferLine(y, 0, x + 1, true, keepProtected);
    const next = y + 1 < service.rows ? lines.get(ybase + y + 1) : undefined;
    if (x + 1 >= service.cols && next !== undefined) next.isWrapped = false;
    for (let row = 0; row < y; row += 1) handler._resetBufferLine(row, keepProtected);
    return true;
  };
  handler._parser.registerCsiHandler({ final: 'J' }, (params) => erase(params, false));
  handler._parser.registerCsiHandler({ prefix: '?', final: 'J' }, (params) => erase(params, true));
}

/**
 * Restoring a cursor gives text back whether it is underlined and whether it has more attributes, but not which: the
 * two would contradict each other, and a link that is open would be lost until the next attribute.
 */
export function mendRestoredAttributes({ _inputHandler: handler }: Core): void {
  const { restoreCursor } = handler;
  handler.restoreCursor = function (this: InputHandler) {
    const done = restoreCursor.call(this);
    const { _curAttrData: attributes } = this;
    const extended = attributes.extended.clone();
    const style =
      (attributes.fg & FG.underline) === 0 ? 0 : extended._ext & UNDERLINE.mask || UNDERLINE.single;
    extended._ext = (extended._ext & ~UNDERLINE.mask) | style;
    attributes.extended = extended;
    attributes.updateExtended();
    return done;
  };
}
