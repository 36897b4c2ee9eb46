// Looks whether the inside of @xterm/headless is as src/screen/emulator/internals.ts has it.

import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { coreOf, missingFrom } from '../../../src/screen/emulator/internals.ts';

describe('the emulator', () => {
  it('is the version whose inside is known, and has it where it is looked for', () => {
    expect(packageJson.dependencies['@xterm/headless']).toBe('6.0.0');
    const { _core } = new headless.Terminal() as unknown as { _core: unknown };
    expect(missingFrom(_core)).toEqual([]);
  });

  it('is refused by the name of what has been moved', () => {
    const terminal = new headless.Terminal();
    const { _core } = terminal as unknown as { _core: { _inputHandler: Record<string, unknown> } };
    _core._inputHandler['_curAttrData'] = undefined;
    expect(() => coreOf(terminal)).toThrow('_inputHandler._curAttrData.fg');
  });
});
