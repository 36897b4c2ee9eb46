// Tests of parsing a policy, and of the problems that are named.

import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { formatProblem, type Problem } from '../../../src/policy/problem.ts';

const file = '/etc/dockersh/dockersh.ini';

/** The problems as an administrator reads them, without the file's name. */
function problemsOf(text: string): string[] {
  return parsePolicy(text, file).problems.map((problem) => formatProblem(problem).replace(`${file}:`, ''));
}

describe('accepted', () => {
  test('comments, blank lines, a byte order mark, DOS line ends, quotes and blanks', () => {
    const text =
      '\uFEFF; one\r\n# two\r\n\r\n[defaults] ; all\r\n  image = "host" \r\n memory=\'4G\' \r\nlinger = 1h ; a while\r\n';
    const { policy, problems } = parsePolicy(text, file);
    expect(problems).toEqual([]);
    expect(policy?.defaults[0]?.values).toEqual({ image: 'host', memory: 4 * 1024 ** 3, linger: 3_600_000 });
    expect(policy?.defaults[0]?.settings.get('linger')?.line).toBe(7);
  });

  test('user names with dots, @, backslash, UTF-8, blanks inside, and of object properties', () => {
    const names = [
      'j.doe',
      'jdoe@lab.example',
      'LAB\\jdoe',
      'LAB\\new',
      'müller',
      'domain users',
      '__proto__',
      'constructor',
      'a;b',
      'x#y',
    ];
    const text = names.map((name, index) => `[user:${name}]\nimage = host\npids = ${index + 16}\n`).join('');
    const { policy, problems } = parsePolicy(text, file);
    expect(problems).toEqual([]);
    expect([...(policy?.users.keys() ?? [])]).toEqual(names);
    expect(policy?.users.get('LAB\\new')?.[0]?.values.pids).toBe(19);
    expect(Object.getPrototypeOf({})).not.toHaveProperty('image');
  });

  test('settings for all images, over their defaults', () => {
    const text =
      '[defaults]\nimage = host\n[images]\nplain_http = Lab:5000, registry.example\nmax_bytes = 2G\n';
    const { policy, problems } = parsePolicy(text, file);
    expect(problems).toEqual([]);
    expect(policy?.images).toEqual({
      registry: 'docker.io',
      plainHttp: ['lab:5000', 'registry.example'],
      mirror: null,
      proxy: 'environment',
      noProxy: [],
      maxEntries: 1_000_000,
      imagesTrusted: [],
      unsignedLocal: 'no',
      maxBytes: 2 * 1024 ** 3,
    });
  });

  test('a proxy with its exceptions, and a mirror', () => {
    const proxy = 'proxy = http://me:p%3Aw@proxy.lab:3128\nno_proxy = .lab, 10.0.0.0/8 [fd00::1]:443 *.x\n';
    const { policy, problems } = parsePolicy(
      `[defaults]\nimage = a\n[images]\nmirror = Mirror.lab:5000\n${proxy}`,
      file,
    );
    expect(problems).toEqual([]);
    expect(policy?.images).toMatchObject({
      mirror: 'mirror.lab:5000',
      proxy: 'http://me:p%3Aw@proxy.lab:3128',
      noProxy: ['.lab', '10.0.0.0/8', '[fd00::1]:443', '*.x'],
    });
  });

  test('an empty file, with a warning that nobody can log in', () => {
    const { policy, problems } = parsePolicy('', file);
    expect(policy?.users.size).toBe(0);
    expect(problems).toEqual([expect.objectContaining({ severity: 'warning', line: 0 })]);
  });
});

describe('refused with its place', () => {
  test.each([
    ['[defaults]\nmemroy = 2G\n', '2:1: error: no such key: memroy (did you mean memory?)'],
    ['[defaults]\n  volumes = x\n', '2:3: error: no such key: volumes'],
    ['[defaults]\nmemory =   12X\n', '2:12: error: memory: "12X" is not a size'],
    ['[defaults]\nmemory = 1M\n', '2:10: error: memory: "1M" is too little: at least 16M'],
    ['[defaults]\nmemory =\n', '2:9: error: memory: nothing is not a size'],
    ['[defaults]\npids = 8\n', '2:8: error: pids: "8" is too little'],
    ['[defaults]\npids = 1e3\n', 'is not a whole number'],
    ['[defaults]\ncpus = 0\n', 'at least 0.01'],
    ['[defaults]\ncpus = -1\n', 'is not a number of CPUs'],
    ['[defaults]\nlinger = 60d\n', 'at most 24d, or forever'],
    ['[defaults]\nhangup_grace = forever\n', 'at most 10m'],
    ['[defaults]\nhome = hosts\n', 'is none of: private, host; did you mean host?'],
    ['[defaults]\nimage = ../etc\n', 'is not the name of an image'],
    ['[defaults]\nshell = bash\n', 'is not an absolute path'],
    ['[defaults]\nshell = /bin/../x\n', 'is not an absolute path'],
    ['[defaults]\nimage = a\nimage = b\n', '3:1: error: image is set twice in [defaults] (first in line 2)'],
    ['[defaults]\n[user:a]\n[defaults]\n', '3:1: error: [defaults] is there twice (first in line 1)'],
    ['[user:a]\n[user:a]\n', '2:1: error: [user:a] is there twice (first in line 1)'],
    ['[default]\n', 'no such section: [default] (did you mean [defaults]?)'],
    ['[usr:alice]\n', '(did you mean [user:alice]?)'],
    ['[alice]\n', '(sections are [defaults], [group:NAME],'],
    ['[__proto__]\nimage = x\n', 'no such section: [__proto__]'],
    ['[defaults]\n__proto__ = x\n', 'no such key: __proto__'],
    ['[defaults]\nconstructor = x\n', 'no such key: constructor'],
    ['[defaults]\nimage[] = host\n', '2:1: error: "image[]": settings are no lists'],
    ['[user:]\n', 'cannot be the name of a user'],
    ['[user: alice]\n', 'cannot be the name of a user'],
    ['[user:a/../b]\n', 'cannot be the name of a user'],
    ['[user:alice\nimage = x\n', '1:1: error: a section header that is not of the form [NAME]'],
    ['[]\n', '1:1: error: a section header'],
    ['image = host\n', '1:1: error: "image" stands before the first section'],
    ['[defaults]\nimage\n', '2:1: error: this line is neither'],
    ['[defaults]\n= host\n', '2:1: error: a setting without a name'],
    ['[defaults]\non_image_change = rest\n', 'is none of: keep, reset, upgrade; did you mean reset?'],
    ['[images]\nimage = host\n', '2:1: error: no such key: image'],
    ['[images]\nmax_entry = 5\n', '2:1: error: no such key: max_entry (did you mean max_entries?)'],
    ['[images]\nmax_entries = 0\n', '2:15: error: max_entries: "0" is too little: at least 1'],
    ['[images]\nmax_bytes = none\n', 'is not a size'],
    ['[images]\nimages_trusted = lab/*\n', 'is not GLOB=KEY'],
    ['[images]\nimages_trusted = lab/*=../lab.pem\n', 'is no name of a file'],
    ['[images]\nimages_trusted = lab/*=lab.pem host=lab.pem\n', 'is no image'],
    ['[images]\nimages_trusted = lab/[*=lab.pem\n', 'is no image'],
    ['[images]\nunsigned_local = perhaps\n', 'unsigned_local'],
    ['[images]\nregistry = https://a\n', 'is not the host of a registry'],
    ['[images]\nplain_http = a b/c\n', 'is not a list of registries'],
    ['[images]\nmirror = https://a\n', 'nor none'],
    ['[images]\nproxy = socks5://me:secret@a\n', 'proxy: "socks5://…@a" is not the URL of a proxy'],
    ['[images]\nproxy = proxy.lab\n', 'is not the URL of a proxy'],
    ['[images]\nproxy = http://a/path\n', 'is not the URL of a proxy'],
    ['[images]\nno_proxy = http://a$\n', 'is not a list of hosts, domains and networks'],
    ['[images]\n[images]\n', '2:1: error: [images] is there twice (first in line 1)'],
    ['[image]\n', '(did you mean [images]?)'],
    ['[defaults]\nmax_bytes = 1G\n', 'no such key: max_bytes'],
    ['[defaults]\nmounts = /a\n', 'has "/a", which is not SOURCE:TARGET'],
    ['[defaults]\nmounts = a:/b\n', 'two absolute paths'],
    ['[defaults]\nmounts = /a/../b:/c\n', 'two absolute paths'],
    ['[defaults]\nmounts = /a:/b/.\n', 'two absolute paths'],
    ['[defaults]\nmounts = /a:/b:rx\n', 'neither in :ro nor in :rw'],
    ['[defaults]\nmounts = /:/b\n', 'two absolute paths'],
    ['[defaults]\nmounts = /a:/\n', 'two absolute paths'],
    ['[defaults]\nmounts = /a:/etc\n', 'nothing can be mounted at /etc'],
    ['[defaults]\nmounts = /a:/proc/x\n', 'nothing can be mounted at /proc/x'],
    ['[defaults]\nmounts = /proc/1/root:/b\n', 'nothing of /proc/1/root can be shown'],
    ['[defaults]\nmounts = /a:/b /c:/b\n', 'mounts two things at /b'],
    ['[defaults]\ndevices = /etc/passwd\n', 'which is not the path of something below /dev'],
    ['[defaults]\ndevices = /dev/../etc/passwd\n', 'which is not the path of something below /dev'],
    ['[defaults]\ndevices = /dev/fuse:w\n', 'ends neither in :r nor in :rw'],
    ['[defaults]\ndevices = /dev/*\n', 'which may be anything'],
    ['[defaults]\ndevices = /dev/fuse /dev/fuse:r\n', 'has /dev/fuse twice'],
    ['[defaults]\ndevices = /dev/mem\n', 'never given'],
    ['[defaults]\ndevices = /dev/sda1\n', 'never given: it is a disk'],
    ['[defaults]\ndevices = /dev/loop-control\n', 'never given'],
    ['[defaults]\ndevices = /dev/mapper/x\n', 'never given'],
    ['[defaults]\ndevices = /dev/tty1 /dev/fuse\n', 'terminal of the host'],
    ['[defaults]\ndevices = /dev/input/event0\n', 'never given'],
    ['[defaults]\ndevices = /dev/cpu/0/msr\n', 'never given'],
    ['[defaults]\ndevices = /dev/pts/0\n', 'never given'],
    ['[defaults]\nhome_root = homes\n', 'is not an absolute path'],
    ['[defaults]\nhome_root = /srv/../etc\n', 'is not an absolute path'],
    ['[defaults]\nhome_root = /proc/1/root\n', 'where nothing can be kept'],
    [`[defaults]\nhome_root = /${'a'.repeat(4096)}\n`, 'is not an absolute path'],
    [`[defaults]\nmounts = /a:/${'b'.repeat(4096)}\n`, 'which is not SOURCE:TARGET'],
    [`[defaults]\nshell = /${'c'.repeat(4096)}\n`, 'is not an absolute path'],
    ['[defaults]\nhostname = a_b\n', 'is not a host name'],
    ['[defaults]\numask = 888\n', 'is not an octal number'],
    ['[defaults]\nnice = -1\n', 'is not a whole number'],
    ['[defaults]\nnice = 20\n', 'is too much: at most 19'],
    ['[defaults]\ntimezone = ../../etc/shadow\n', 'is not the name of a time zone'],
    ['[defaults]\ntimezone = /etc/localtime\n', 'is not the name of a time zone'],
    ['[defaults]\nlogin_rate = 5\n', 'is not a number of logins and a duration'],
    ['[defaults]\nlogin_rate = 5/5\n', 'is not a number of logins and a duration'],
    ['[defaults]\ncpuset = 3-1\n', 'is not a list of CPUs'],
    ['[defaults]\nuser_may_set = mounts\n', 'has "mounts", which is none'],
    ['[defaults]\nuser_may_set = shel\n', 'did you mean shell?'],
    ['[defaults]\nbanner = "a\\u001b[2J"\n', 'has a control character'],
    ['[host]\nsandbox = 5\n', 'no such key: sandbox (did you mean sandboxes?)'],
    ['[host]\nwhen_full = queue\n', 'is none of: refuse, wait'],
    ['[defaults]\nimage = ho\0st\n', '2:11: error: a control character'],
  ])('%j', (text, expected) => {
    expect(parsePolicy(text, file).policy).toBeUndefined();
    expect(problemsOf(text).join('\n')).toContain(expected);
  });

  test('values that ini would turn into something else than text', () => {
    for (const value of ["'5'", "'true'", 'null', "'{}'", "'[1]'"]) {
      expect(parsePolicy(`[defaults]\nmemory = ${value}\n`, file).policy, value).toBeUndefined();
    }
  });

  test('every problem is reported at once, in the order of lines', () => {
    const lines = problemsOf('[user:a]\npids = x\nfoo = 1\n[bar]\nimage = host\n[defaults]\ncpus = x\n');
    expect(lines.map((line) => Number.parseInt(line, 10))).toEqual([2, 3, 4, 7]);
  });

  test('a broken header does not lend its settings to the section before', () => {
    expect(problemsOf('[defaults]\nimage = host\n[user:alice\nimage = other\n')).toHaveLength(1);
  });
});

test('a section for root is a warning', () => {
  const { policy, problems } = parsePolicy('[defaults]\nimage = host\n[user:root]\n', file);
  expect(policy).toBeDefined();
  expect(problems).toMatchObject([{ severity: 'warning', line: 3 }] satisfies Partial<Problem>[]);
});

test('random text never throws and never pollutes', () => {
  const alphabet = [
    '[',
    ']',
    '=',
    '\n',
    '"',
    "'",
    '\\',
    ';',
    '#',
    ' ',
    'user:',
    'image',
    '__proto__',
    '[]',
    'ö',
    '\0',
    '{',
    '}',
  ];
  for (let round = 0; round < 500; round += 1) {
    const pick = () => alphabet[Math.floor(Math.random() * alphabet.length)] ?? '';
    const text = Array.from({ length: 60 }, pick).join('');
    expect(() => parsePolicy(text, file), JSON.stringify(text)).not.toThrow();
  }
  expect(Object.keys(Object.prototype)).toEqual([]);
});
