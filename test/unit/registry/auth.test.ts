// Logins to registries: the credentials that are sent, and above all those that are not.

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCredential } from '../../../src/images/registry/auth/docker-config.ts';
import { blobSource } from '../../../src/images/registry/blobs.ts';
import { fetchImage } from '../../../src/images/registry/manifests.ts';
import { uploadBlob } from '../../../src/images/registry/upload/uploads.ts';
import type { DockershError } from '../../../src/lib/errors.ts';
import {
  connect,
  descriptorOf,
  failure,
  type Handler,
  layerType,
  manifestBytes,
  manifestType,
  options,
  readAll,
  repository,
  Server,
  send,
} from './server.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-registry-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function config(value: unknown): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify(value), { mode: 0o600 });
}

async function helper(name: string, script: string): Promise<void> {
  await writeFile(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, `docker-credential-${name}`), 0o755);
}

const withConfig = () => ({ dockerConfigFolder: folder, helperFolders: [folder, '/usr/bin', '/bin'] });
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const find = (registry: string, limits = {}) =>
  findCredential({ registry, repository: 'lab/base' }, options({ ...withConfig(), limits }), undefined);

describe('the configuration of docker', () => {
  it('has credentials by host, whatever way it is written', async () => {
    const auth = Buffer.from('ann:s:e c').toString('base64');
    const expected = { kind: 'password', username: 'ann', password: 's:e c' };
    for (const key of ['registry.lab:5000', 'https://registry.lab:5000', 'http://registry.lab:5000/v2/']) {
      await config({ auths: { 'other.lab': { auth: 'eDp5' }, [key]: { auth } } });
      expect(await find('registry.lab:5000')).toEqual(expected);
      expect(await find('registry.lab')).toBeUndefined();
    }
    await config({ auths: { 'https://index.docker.io/v1/': { auth } } });
    expect(await find('docker.io')).toEqual(expected);
    await config({ auths: { a: { username: 'u', password: 'p' }, b: { identitytoken: 'i', auth }, c: {} } });
    expect(await find('a')).toEqual({ kind: 'password', username: 'u', password: 'p' });
    expect(await find('b')).toEqual({ kind: 'identity', token: 'i' });
    expect(await find('c')).toBeUndefined();
  });

  it('with passwords that others can read is used, with a warning', async () => {
    const warnings: string[] = [];
    const warn = ({ code, message }: DockershError): number => warnings.push(`${code} ${message}`);
    const ask = () =>
      findCredential({ registry: 'a', repository: 'x' }, options({ ...withConfig(), warn }), undefined);
    const file = join(folder, 'config.json');
    await config({ auths: { a: { auth: 'eDp5' } } });
    expect(await ask()).toMatchObject({ username: 'x' });
    expect(warnings).toEqual([]);
    await chmod(file, 0o644);
    expect(await ask()).toMatchObject({ username: 'x' });
    expect(warnings).toEqual([
      `E_UNTRUSTED_PATH ${file}: it holds credentials, and others than root can read it`,
    ]);
    // Without secrets in it there is nothing to read.
    await config({ auths: { a: {} }, credHelpers: { other: 'x' } });
    await chmod(file, 0o644);
    expect(await ask()).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });

  it('of somebody else is refused, and so is one in a folder of theirs', async () => {
    await config({ auths: { a: { auth: 'eDp5' } } });
    const nobody = { ...withConfig(), trustedUids: [4_000_000] };
    const error = await failure(
      findCredential({ registry: 'a', repository: 'x' }, options(nobody), undefined),
    );
    expect(error).toMatchObject({ code: 'E_UNTRUSTED_PATH' });
    await chmod(folder, 0o777);
    expect(await failure(find('a'))).toMatchObject({ code: 'E_UNTRUSTED_PATH' });
  });

  it('may be missing, and must be nobody else’s to change', async () => {
    expect(await find('a')).toBeUndefined();
    await config({ auths: { a: { auth: 'eDp5' } } });
    await chmod(join(folder, 'config.json'), 0o666);
    expect(await failure(find('a'))).toMatchObject({ code: 'E_UNTRUSTED_PATH' });
  });

  it.each(['{', '[]', '{"auths":[]}', '{"auths":{"a":{"auth":"bm9jb2xvbg=="}}}'])(
    'refuses %s',
    async (text) => {
      await writeFile(join(folder, 'config.json'), text.replace('{"auths":{"a', '{"auths":{"a'));
      const error = await failure(find('a'));
      expect(error).toMatchObject({ code: 'E_USAGE' });
      expect(`${error.message} ${String(error.cause)}`).not.toContain('nocolon');
    },
  );
});

describe('credential helpers', () => {
  it('are asked with the name of the server on standard input', async () => {
    await config({ credHelpers: { 'registry.lab': 'one' }, credsStore: 'two' });
    await helper('one', 'read s; [ "$1" = get ] && echo "{\\"Username\\":\\"u-$s\\",\\"Secret\\":\\"p\\"}"');
    await helper('two', 'read s; echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"$s\\"}"');
    expect(await find('registry.lab')).toEqual({
      kind: 'password',
      username: 'u-registry.lab',
      password: 'p',
    });
    expect(await find('docker.io')).toEqual({ kind: 'identity', token: 'https://index.docker.io/v1/' });
  });

  it('may know nothing', async () => {
    await config({ credsStore: 'none' });
    await helper('none', 'echo "credentials not found in native keychain"; exit 1');
    expect(await find('a')).toBeUndefined();
  });

  it.each([
    ['fail', 'echo secret; exit 3', 'ended with 3'],
    ['say nonsense', 'echo secret', 'not JSON'],
    ['say something else', 'echo "{\\"secret\\":1}"', 'no Username'],
    ['say too much', 'yes secret', 'more than 262144 bytes'],
    ['never answer', 'exec sleep 60', 'no answer within 0.3 s'],
    ['leave somebody behind', 'sleep 5 & exec sleep 60', 'no answer within 0.3 s'],
  ])('%s', async (_, script, text) => {
    await config({ credsStore: 'bad' });
    await helper('bad', script);
    const error = await failure(find('a', { credentialMs: 300 }));
    expect(error.message).toContain(text);
    expect(`${error.message} ${String(error.cause)}`).not.toContain('secret');
  });

  it('are only run by name, from folders that are trusted, and get no variables of ours', async () => {
    for (const name of ['../evil', 'a/b', '-x', '', 'a b']) {
      await config({ credHelpers: { a: name === '' ? 'missing' : name } });
      expect(await failure(find('a'))).toMatchObject({ code: 'E_USAGE' });
    }
    await config({ credsStore: 'env' });
    await helper('env', 'echo "{\\"Username\\":\\"$(env | grep -c SECRET_OF_OURS)\\",\\"Secret\\":\\"x\\"}"');
    process.env['SECRET_OF_OURS'] = '1';
    expect(await find('a')).toMatchObject({ username: '0' });
    delete process.env['SECRET_OF_OURS'];
    await chmod(join(folder, 'docker-credential-env'), 0o777);
    expect(await failure(find('a'))).toMatchObject({ code: 'E_UNTRUSTED_PATH' });
  });
});

const manifest = manifestBytes();
const image = (response: ServerResponse): void =>
  send(response, 200, manifest, { 'content-type': manifestType });
const content = Buffer.from('layer');
const blob = descriptorOf(content, layerType);

async function pullFrom(handler: Handler, more = withConfig()) {
  await using server = await Server.start(handler);
  const outcome = await (async () => {
    using client = await connect(server, more);
    return fetchImage(client, repository, 'latest');
  })().catch((error: unknown) => error as Error & Record<string, unknown>);
  return { server, outcome };
}

describe('basic authentication', () => {
  it('sends the name and password when it is asked for them, not before', async () => {
    const handler: Handler = ({ headers }, response) =>
      headers.authorization === basic('ann:secret')
        ? image(response)
        : send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' });
    await using server = await Server.start(handler);
    await config({ auths: { [server.host]: { auth: Buffer.from('ann:secret').toString('base64') } } });
    using client = await connect(server, withConfig());
    expect((await fetchImage(client, repository, 'latest')).bytes.equals(manifest)).toBe(true);
    expect(server.seen.map(({ headers }) => headers.authorization !== undefined)).toEqual([false, true]);
  });

  it('is not repeated when it is refused', async () => {
    await using server = await Server.start((_, response) =>
      send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' }),
    );
    await config({ auths: { [server.host]: { auth: 'eDp5' } } });
    using client = await connect(server, withConfig());
    const error = await failure(fetchImage(client, repository, 'latest'));
    expect(error).toMatchObject({ fault: 'denied' });
    expect(error.message).toContain('does not accept');
    expect(server.seen).toHaveLength(2);
  });

  it('ends where there are no credentials, and for schemes that nobody knows', async () => {
    for (const [challenge, text] of [
      ['Basic realm="x"', 'a login is needed'],
      ['Negotiate', 'no way to log in'],
      ['', 'no way to log in'],
    ] as const) {
      const { outcome } = await pullFrom((_, response) =>
        send(response, 401, '', { 'www-authenticate': challenge }),
      );
      expect(outcome).toMatchObject({ fault: 'denied', code: 'E_REGISTRY_DENIED' });
      expect((outcome as Error).message).toContain(text);
    }
  });
});

/** A registry that wants tokens, with its token server: on the same port unless `realm` says otherwise. */
function tokenRegistry(answerToken: Handler, realm?: string): Handler {
  return (seen, response, raw) => {
    if (seen.url.startsWith('/token')) return answerToken(seen, response, raw);
    if (seen.headers.authorization === 'Bearer good') return image(response);
    const where = realm ?? `http://${seen.headers.host}/token`;
    // The scope of the challenge is a trap: for another repository, and for more than reading.
    const header = `Bearer realm="${where}",service="svc",scope="repository:other/secret:pull,push"`;
    return send(response, 401, '', { 'www-authenticate': header });
  };
}

describe('tokens', () => {
  it('are asked for without credentials where there are none, for what is needed and no more', async () => {
    const { server, outcome } = await pullFrom(
      tokenRegistry(({ headers }, response) =>
        send(response, 200, JSON.stringify({ token: headers.authorization === undefined ? 'good' : 'bad' })),
      ),
    );
    expect(outcome).toMatchObject({ descriptor: { mediaType: manifestType } });
    const asked = new URL(server.calls[0]?.split(' ')[1] ?? '', server.seen[0] && 'http://x');
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      service: 'svc',
      scope: 'repository:lab/base:pull',
    });
  });

  it('are asked for with credentials where there are', async () => {
    await using server = await Server.start(
      tokenRegistry(({ headers }, response) =>
        send(
          response,
          200,
          JSON.stringify({ access_token: headers.authorization === basic('x:y') ? 'good' : '' }),
        ),
      ),
    );
    await config({ auths: { [server.host]: { auth: 'eDp5' } } });
    using client = await connect(server, withConfig());
    await fetchImage(client, repository, 'latest');
    expect(server.calls[0]).toContain('account=x');
  });

  it('are exchanged for an identity token', async () => {
    await using server = await Server.start(
      tokenRegistry(({ method, body, headers }, response) => {
        const form = new URLSearchParams(body.toString());
        const right = method === 'POST' && form.get('refresh_token') === 'id' && !headers.authorization;
        expect(form.get('scope')).toBe('repository:lab/base:pull');
        return send(response, 200, JSON.stringify({ access_token: right ? 'good' : 'bad' }));
      }),
    );
    await config({ auths: { [server.host]: { identitytoken: 'id' } } });
    using client = await connect(server, withConfig());
    await fetchImage(client, repository, 'latest');
  });

  it('are fetched once for several requests at once, and again when they are refused', async () => {
    let tokens = 0;
    let current = '';
    await using server = await Server.start((seen, response) => {
      if (seen.url.startsWith('/token')) {
        tokens += 1;
        current = `t${tokens}`;
        return send(response, 200, JSON.stringify({ token: current }));
      }
      if (seen.headers.authorization === `Bearer ${current}` && current !== '')
        return send(response, 200, content);
      return send(response, 401, '', { 'www-authenticate': `Bearer realm="${server.origin}/token"` });
    });
    using client = await connect(server, withConfig());
    const read = async () =>
      readAll(await blobSource(client, repository, blob)(0, new AbortController().signal));
    await Promise.all([read(), read(), read(), read()]);
    expect(tokens).toBe(1);
    current = 'expired';
    await read();
    expect(tokens).toBe(2);
  });

  it('that never help end the loop', async () => {
    const { server, outcome } = await pullFrom(
      tokenRegistry((_, response) => send(response, 200, '{"token":"never accepted"}'.replaceAll(' ', '-'))),
    );
    expect(outcome).toMatchObject({ fault: 'denied' });
    expect(server.seen.length).toBeLessThanOrEqual(7);
  });

  it.each([
    ['refused', 403, '{}', 'denied'],
    ['a redirect', 302, '', 'answer'],
    ['no JSON', 200, 'token', 'answer'],
    ['empty', 200, '{}', 'answer'],
    ['with a line end', 200, '{"token":"a\\r\\nx-evil: 1"}', 'answer'],
    ['too long', 200, JSON.stringify({ token: 'x'.repeat(300_000) }), 'limit'],
  ])('%s', async (_, status, body, fault) => {
    const { outcome } = await pullFrom(
      tokenRegistry((_seen, response) => send(response, status, body, { location: 'http://127.0.0.1:1/' })),
    );
    expect(outcome).toMatchObject({ fault });
  });

  it('of which only half comes end by deadline', async () => {
    const { outcome } = await pullFrom(
      tokenRegistry((_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"token":"');
      }),
    );
    expect(outcome).toMatchObject({ fault: 'unreachable', code: 'E_REGISTRY' });
  });

  it('that never come end by deadline', async () => {
    const { outcome } = await pullFrom(tokenRegistry(() => undefined));
    expect(outcome).toMatchObject({ fault: 'unreachable' });
  });

  it.each(['file:///etc/passwd', 'http://169.254.169.254/latest/', 'gopher://127.0.0.1/', 'http://[', ''])(
    'from %s are refused',
    async (realm) => {
      const { server, outcome } = await pullFrom(tokenRegistry(() => undefined, realm));
      expect(['astray', 'answer']).toContain((outcome as Record<string, unknown>)['fault']);
      expect(server.calls).toHaveLength(0);
    },
  );

  it('from another port get the credentials of this registry, and no others', async () => {
    await using auth = await Server.start(({ headers }, response) =>
      send(response, 200, JSON.stringify({ token: headers.authorization === basic('x:y') ? 'good' : 'bad' })),
    );
    await using server = await Server.start(tokenRegistry(() => undefined, `${auth.origin}/token`));
    await config({ auths: { [server.host]: { auth: 'eDp5' }, [auth.host]: { auth: 'YTpi' } } });
    using client = await connect(server, withConfig());
    await fetchImage(client, repository, 'latest');
  });
});

describe('credentials and redirects', () => {
  it('never meet', async () => {
    await using store = await Server.start((_, response) => send(response, 200, content));
    await using server = await Server.start(({ headers }, response) =>
      headers.authorization === undefined
        ? send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' })
        : send(response, 307, '', { location: `${store.origin}/signed?x=1` }),
    );
    await config({ auths: { [server.host]: { auth: 'eDp5' }, [store.host]: { auth: 'eDp5' } } });
    using client = await connect(server, withConfig());
    const bytes = await readAll(await blobSource(client, repository, blob)(0, new AbortController().signal));
    expect(bytes.equals(content)).toBe(true);
    expect(store.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/signed?x=1', undefined],
    ]);
  });

  it('never meet at the end of an upload either', async () => {
    const reached: unknown[] = [];
    await using store = await Server.start(({ url, headers }, response) => {
      reached.push([url.split('?')[0], headers.authorization, headers.cookie]);
      return send(response, 201);
    });
    await using server = await Server.start(({ method, headers }, response) => {
      if (headers.authorization === undefined)
        return send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' });
      if (method === 'HEAD') return send(response, 404);
      return send(response, 202, '', { location: `${store.origin}/session`, 'set-cookie': 'a=b' });
    });
    await config({ auths: { [server.host]: { auth: 'eDp5' }, [store.host]: { auth: 'eDp5' } } });
    using client = await connect(server, withConfig());
    const open = async () =>
      (async function* () {
        yield content;
      })();
    await uploadBlob(client, { repository, blob, open });
    expect(reached).toEqual([['/session', undefined, undefined]]);
  });

  it('do not answer the challenge of another host', async () => {
    await using store = await Server.start((_, response) =>
      send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' }),
    );
    await using server = await Server.start(({ url }, response) =>
      url === '/v2/' ? send(response, 200) : send(response, 307, '', { location: `${store.origin}/x` }),
    );
    await config({ auths: { [server.host]: { auth: 'eDp5' }, [store.host]: { auth: 'eDp5' } } });
    using client = await connect(server, withConfig());
    expect(await failure(fetchImage(client, repository, 'latest'))).toMatchObject({ fault: 'denied' });
    expect(store.seen).toHaveLength(1);
  });
});
