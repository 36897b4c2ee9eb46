// Uses the gateway's terminal in a real browser, as a person does: logs in, types, copies, pastes, and comes back.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AdminGatewaySession } from '../../../src/protocol/admin.ts';
import { type Browser, chromium, type Page } from '../../fixtures/browser/browser.ts';
import type { Gateway } from '../../fixtures/gateway/gateway.ts';
import { ended, fill, logIn, password, run, shown, Web } from '../../fixtures/gateway/web.ts';
import { control } from '../../fixtures/machine.ts';
import { Line } from '../../fixtures/network/line.ts';
import { runOk } from '../../fixtures/process.ts';

/** A page's long times are short ones: it waits for 80 seconds before it calls a line dead that says nothing. */
const hasty = `{
  const timer = window.setTimeout;
  window.setTimeout = (call, ms, ...rest) => timer(call, ms > 60_000 ? ms / 20 : ms, ...rest);
}`;
const control2 = 2;
const shift = 8;

/** Whether the terminal is there; false: something is asked. */
async function isOpen(page: Page): Promise<boolean> {
  const dialog = `document.querySelector('dialog')`;
  await page.until(
    `!${dialog}.open || (document.querySelector('#fields label') !== null && !document.querySelector('#submit').disabled)`,
    'a question, or the terminal',
  );
  return (await page.evaluate(`!${dialog}.open`)) === true;
}

/** The answer to this question has been taken. */
const nextOrOpen = (label: string): string =>
  `!document.querySelector('dialog').open || (document.querySelector('#fields label')?.textContent !== ${JSON.stringify(label)} && !document.querySelector('#submit').disabled)`;

describe.skipIf(control || !existsSync(chromium))('the terminal in a browser', () => {
  const parts = new AsyncDisposableStack();
  let web: Web;
  let browser: Browser;
  let gateway: Gateway;
  let port: number;
  let name: string;

  beforeAll(async () => {
    web = parts.use(await Web.start({ on_hangup: 'keep' }));
    name = web.user.name;
    ({ gateway, port } = await web.gateway('methods=publickey keyboard-interactive'));
    parts.use(gateway);
    browser = parts.use(await web.browser());
  }, 120_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  /** A session that is kept would be another test's. */
  afterEach(async () => {
    await web.host.ctl('stop', name);
  });

  const open = async (): Promise<Page> => await browser.page(`https://127.0.0.1:${port}/`);

  async function terminal(): Promise<Page> {
    const page = await open();
    await logIn(page, name, password);
    return page;
  }

  it('logs in by a password, shows what is typed, and says how the session has ended', async () => {
    const page = await terminal();
    await run(page, 'echo user=$(id -un)', new RegExp(`user=${name}`));
    const { sessions } = (await web.host.ctlOk('gateway', 'sessions')) as { sessions: AdminGatewaySession[] };
    expect(sessions).toMatchObject([
      { user: name, entry: 'web', from: '127.0.0.1', auth: 'keyboard-interactive/pam' },
    ]);
    await page.type('exit 7');
    await page.press('Enter');
    await ended(page, /status 7/);
    const own = [`https://127.0.0.1:${port}/`, `wss://127.0.0.1:${port}/session`];
    expect(page.requests.length).toBeGreaterThan(3);
    expect(page.requests.filter((url) => !own.some((start) => url.startsWith(start)))).toEqual([]);
    expect(page.complaints).toEqual([]);
    expect(gateway.log()).toContain(
      `${name} has logged in from 127.0.0.1 by keyboard-interactive at the web page.`,
    );
  });

  it('says that a password was wrong, and lets nobody in by it, or as who is not there', async () => {
    const page = await open();
    for (const user of [name, 'nobody-of-this-host', 'root']) {
      await fill(page, 'Log in', user);
      await fill(page, `Log in as ${user}`, 'Sesame-78');
      await page.until(`document.querySelector('#words.wrong') !== null`, 'to be told so');
      await page.evaluate(`document.querySelector('#another').click()`);
    }
    await logIn(page, name, password);
  });

  it('asks all that PAM asks: here for another password in the place of one that has expired', async () => {
    await web.pam(`${Web.pamText}password required pam_unix.so\n`);
    await runOk('chage', ['-d', '0', name]);
    try {
      const page = await open();
      await fill(page, 'Log in', name);
      const asked: string[] = [];
      while (!(await isOpen(page))) {
        const label = String(await page.evaluate(`document.querySelector('#fields label').textContent`));
        asked.push(label);
        await fill(page, `Log in as ${name}`, /new/i.test(label) ? 'Open-88-Sesame' : password);
        await page.until(nextOrOpen(label), 'the next question');
      }
      expect(asked.filter((label) => /new/i.test(label))).toHaveLength(2);
    } finally {
      await web.pam(Web.pamText);
      await runOk('chpasswd', [], { input: `${name}:${password}\n` });
    }
  });

  it('shows and takes UTF-8: wide characters, emoji, and marks on others', async () => {
    const page = await terminal();
    await run(
      page,
      `printf 'a%sb\\n' 漢字 😀 e\u0301 ü | cat -A | tr -d '\\n'; echo`,
      /aM-fM-<M-"M-eM--M-\^Wb/,
    );
    await run(
      page,
      `clear; printf '[%s]\\n' 漢字 😀 e\u0301 ü`,
      /\[漢字\]\s*\n\[😀\]\s*\n\[e\u0301\]\s*\n\[ü\]/,
    );
    // Programs and terminal agree on widths.
    const column = (text: string): string =>
      `clear; printf '${text}\\e[6n'; read -rsd R place; echo; echo "column=\${place#*;}"`;
    await run(page, column('漢字'), /column=5/);
    await run(page, column('😀'), /column=3/);
  });

  it('has the size of the window, and follows it', async () => {
    const page = await terminal();
    await run(page, 'clear; stty size', /^\d+ \d+/m);
    const before = /^(\d+) (\d+)/m.exec(String(await page.evaluate(shown)));
    await page.send('Emulation.setDeviceMetricsOverride', {
      width: 600,
      height: 400,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await page.until(`${shown}.length > 0`, 'the terminal');
    await run(
      page,
      'until [ "$(stty size)" != "' +
        `${before?.[1]} ${before?.[2]}` +
        '" ]; do sleep 0.1; done; clear; echo now $(stty size)',
      /now \d+ \d+/,
    );
    const [, rows, columns] = /now (\d+) (\d+)/.exec(String(await page.evaluate(shown))) ?? [];
    expect(Number(rows)).toBeLessThan(Number(before?.[1]));
    expect(Number(columns)).toBeLessThan(Number(before?.[2]));
  });

  it('copies what is selected, pastes it, and gives programs no way to the clipboard', async () => {
    const page = await terminal();
    await run(page, 'clear; echo to-be-copied', /^to-be-copied/m);
    await page.evaluate(`navigator.clipboard.writeText('before')`);
    await run(page, `printf '\\e]52;c;%s\\a' $(printf evil | base64); echo done-$?`, /done-0/);
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('before');
    await page.drag('to-be-copied');
    await page.press('KeyC', { modifiers: control2 | shift });
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toBe('to-be-copied');
    await page.type('clear; echo ');
    await page.press('KeyV', { modifiers: control2 | shift, commands: ['paste'] });
    await page.press('Enter');
    await page.until(`/^to-be-copied/m.test(${shown}) && !${shown}.includes('echo to')`, 'what was pasted');
  });

  it('takes a long paste whole, and brackets it where a program wants that', async () => {
    const page = await terminal();
    const text = 'x'.repeat(200_000);
    const counts =
      'clear; stty -echo -icanon; printf "\\e[?2004hready\\n"; head -c 200012 | md5sum; stty sane';
    await run(page, counts, /^ready/m);
    await page.evaluate(`navigator.clipboard.writeText('x'.repeat(${text.length}))`);
    await page.press('KeyV', { modifiers: control2 | shift, commands: ['paste'] });
    const sum = createHash('md5').update(`\x1b[200~${text}\x1b[201~`).digest('hex');
    await page.until(`${shown}.includes('${sum}')`, 'the sum of what was pasted', 30_000);
  });

  it('goes on under a flood, which Ctrl-C ends', async () => {
    const page = await terminal();
    await page.type('yes "$(printf %080d 0)"');
    await page.press('Enter');
    await page.until(`${shown}.includes('0'.repeat(70))`, 'the flood');
    // It does not stand still meanwhile: three seconds of frames.
    await page.evaluate(
      `new Promise((done) => { const start = Date.now(); const frame = () => Date.now() - start > 3000 ? done() : requestAnimationFrame(frame); frame(); })`,
    );
    await page.press('KeyC', { modifiers: control2 });
    await page.until(`${shown}.includes('^C')`, 'the end of the flood', 30_000);
    await run(page, 'clear; echo still-there', /^still-there/m);
  });

  it('sets the title, as a text', async () => {
    const page = await terminal();
    await run(page, `PS1='$ '; printf '\\e]0;<b>title</b>\\a'; clear; echo is-set`, /^is-set/m);
    await page.until(`document.title === '<b>title</b>'`, 'the title');
  });

  it.each(['by the administrator', 'on its way', 'without a word'])(
    'comes back to a session that is kept when the line was cut %s',
    async (how) => {
      await using line = await Line.start(port);
      const page = await browser.page(
        `https://127.0.0.1:${line.port}/`,
        how === 'without a word' ? hasty : '',
      );
      await logIn(page, name, password);
      await run(page, 'clear; mark=kept-$((40+2)); echo $mark', /^kept-42/m);
      if (how === 'on its way') line.cut();
      else if (how === 'without a word') line.silence();
      else await web.host.ctlOk('gateway', 'kick', '--user', name);
      await page.until(`document.querySelector('h1').textContent === 'The connection was cut'`, 'the end');
      line.cut(); // where the page has found out by itself, the gateway hears of it now
      await fill(page, 'The connection was cut');
      await fill(page, `Log in as ${name}`, password);
      await page.until(`!document.querySelector('dialog').open`, 'the terminal');
      await page.until(`${shown}.includes('Go back to it?')`, 'to be asked, as with ssh');
      await page.press('Enter');
      await page.until(`/kept-42/.test(${shown}.split('Go back to it?')[1] ?? ${shown})`, 'the session');
      await run(page, 'echo again=$mark', /^again=kept-42/m);
    },
  );

  it('ends the session with its line where the policy keeps none', async () => {
    await web.policy({ on_hangup: 'end', hangup_grace: '200ms' });
    await using line = await Line.start(port);
    const page = await browser.page(`https://127.0.0.1:${line.port}/`);
    await logIn(page, name, password);
    await run(page, 'clear; mark=gone-$((40+2)); echo $mark', /^gone-42/m);
    line.cut();
    await expect
      .poll(async () => (await web.host.sandboxOf(web.user))?.sessions, { timeout: 20_000 })
      .toEqual([]);
    await fill(page, 'The connection was cut');
    await fill(page, `Log in as ${name}`, password);
    await page.until(`!document.querySelector('dialog').open`, 'the terminal');
    await run(page, 'clear; echo "mark is [$mark]"', /^mark is \[\]/m);
    await web.policy({ on_hangup: 'keep' });
  });

  it('runs nothing that is not its own', async () => {
    const page = await open();
    await page
      .evaluate(`{
      const script = document.createElement('script');
      script.text = 'window.injected = true';
      document.body.append(script);
    }`)
      .catch(() => undefined); // trusted types refuse it before the policy does
    await page
      .evaluate(
        `document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.injected = true">')`,
      )
      .catch(() => undefined);
    await page.evaluate(`fetch('https://127.0.0.1:1/').catch(() => { window.refused = true })`);
    expect(await page.evaluate('window.injected === undefined && window.refused')).toBe(true);
    expect(page.complaints.join('\n')).toMatch(/Content Security Policy/);
  });
});
