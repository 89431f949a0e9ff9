import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BmcError, type BmcErrorKind, type BmcTarget } from '../../src/bmc/driver.ts';
import { checkWebhookSettings, openWebhook, type WebhookOptions } from '../../src/bmc/webhook.ts';
import { makeCertificate } from '../../src/lab/bmc-sim/redfish-certificate.ts';
import { freePort } from './ipmi-sim.ts';

const PASSWORD = 's3cr$t`\'"';
const ours = makeCertificate('localhost', Date.now());
const other = makeCertificate('localhost', Date.now());
const fingerprint = new X509Certificate(ours.cert).fingerprint256;

// The authorities of this system, for this process: read once, at the first connection.
const folder = mkdtempSync(join(tmpdir(), 'firstlight-webhook-'));
writeFileSync(join(folder, 'authority.pem'), ours.cert);
process.env.SSL_CERT_FILE = join(folder, 'authority.pem');
after(() => rmSync(folder, { recursive: true }));

type Asked = { method: string; url: string; headers: IncomingMessage['headers']; body: string };
type Service = { base: string; asked: Asked[] };
type Answer = (request: Asked, response: ServerResponse) => void;

/** A service of a site that answers as it is told; a certificate makes it one of HTTPS. */
async function withService(
  answer: Answer,
  check: (service: Service) => Promise<void>,
  certificate?: { key: string; cert: string },
): Promise<void> {
  const asked: Asked[] = [];
  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body: Buffer.concat(chunks).toString() };
    asked.push(request);
    answer(request, response);
  };
  const server = certificate ? createTlsServer(certificate, serve) : createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await check({ base: `${certificate ? 'https://localhost' : 'http://127.0.0.1'}:${port}`, asked });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const say = (status: number, body = '', headers: Record<string, string> = {}): Answer => {
  return (_request, response) => void response.writeHead(status, headers).end(body);
};

function target(settings: Record<string, string>, more: Partial<BmcTarget> = {}): BmcTarget {
  return { driver: 'webhook', address: '', port: 0, user: '', password: '', settings, ...more };
}

/** That it fails so, in the shape of every BmcError, and without a secret. */
async function assertFails(promise: Promise<unknown>, kind: BmcErrorKind, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BmcError, String(error));
    assert.match(error.text, text);
    assert.equal(error.kind, kind, error.text);
    assert.match(error.text, /^BMC \S+ port \d+ .+\. [A-Z].+\.$/);
    for (const secret of [PASSWORD, Buffer.from(`me:${PASSWORD}`).toString('base64'), 'path-token'])
      assert.ok(!String(error.stack).includes(secret), error.text);
    return true;
  });
}

test('asks the URL of each verb, with the facts of the machine', () =>
  withService(say(200), async ({ base, asked }) => {
    const verbs = ['on', 'off', 'cycle', 'reset', 'soft'] as const;
    const settings = Object.fromEntries(verbs.map((verb) => [verb, `${base}/outlet/7?do=${verb}`]));
    const driver = openWebhook(target({ ...settings, 'machine.name': 'web-1', 'machine.outlet': '7' }));
    for (const verb of verbs) await driver.setPower(verb);
    assert.deepEqual(
      asked.map(({ method, url, body }) => [method, url, JSON.parse(body)]),
      verbs.map((verb) => ['POST', `/outlet/7?do=${verb}`, { verb, machine: { name: 'web-1', outlet: '7' } }]),
    );
    const { headers } = asked[0] as Asked;
    assert.deepEqual([headers['content-type'], headers.authorization], ['application/json', undefined]);
  }));

test('tells the wish for the next boot', () =>
  withService(say(204), async ({ base, asked }) => {
    const wish = { device: 'http', firmware: 'uefi', isPersistent: false, httpUri: 'http://10.0.0.1/x.efi' } as const;
    await openWebhook(target({ boot: `${base}/boot`, method: 'PUT' })).setBoot(wish);
    assert.equal(asked[0]?.method, 'PUT');
    assert.deepEqual(JSON.parse(asked[0]?.body ?? ''), { verb: 'boot', machine: {}, boot: wish });
  }));

test('gives the password as a Bearer token, and as Basic with a user', () =>
  withService(say(200, 'off'), async ({ base, asked }) => {
    await openWebhook(target({ status: `${base}/` }, { password: PASSWORD })).powerState();
    await openWebhook(target({ status: `${base}/` }, { user: 'me', password: PASSWORD })).powerState();
    assert.deepEqual(
      asked.map(({ headers }) => headers.authorization),
      [`Bearer ${PASSWORD}`, `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`],
    );
    assert.deepEqual(
      asked.map(({ method, body }) => [method, body]),
      [
        ['GET', ''],
        ['GET', ''],
      ],
    );
  }));

test('reads the power state as JSON and as text, and says what is neither', async () => {
  for (const [body, state] of [
    ['{"power":"on"}', 'on'],
    ['OFF\n', 'off'],
  ] as const)
    await withService(say(200, body), async ({ base }) => {
      assert.equal(await openWebhook(target({ status: base })).powerState(), state);
    });
  await withService(say(200, '<html>on</html>'), ({ base }) =>
    assertFails(openWebhook(target({ status: base })).powerState(), 'protocol', /said "<html>on<\/html>"/),
  );
});

for (const [status, kind, text] of [
  [400, 'refused', /answered "on" with HTTP 400: no such outlet \(secret\)\./],
  [401, 'wrong-password', /HTTP 401/],
  [403, 'wrong-password', /HTTP 403/],
  [404, 'refused', /HTTP 404/],
  [409, 'refused', /HTTP 409/],
  [429, 'busy', /HTTP 429.+asked again after 30 s/],
  [500, 'protocol', /HTTP 500: no such outlet/],
  [501, 'unsupported', /HTTP 501/],
  [502, 'busy', /HTTP 502/],
  [503, 'busy', /HTTP 503.+asked again after 30 s/],
  [504, 'busy', /HTTP 504/],
] as const)
  test(`HTTP ${status} is ${kind}`, () =>
    withService(say(status, `\nno such outlet ${PASSWORD}\nsecond line\n`, { 'Retry-After': '30' }), ({ base }) => {
      const driver = openWebhook(target({ on: `${base}/path-token` }, { user: 'me', password: PASSWORD }));
      return assertFails(driver.setPower('on'), kind, text);
    }));

test('shows a service that repeats our authorization without it', () =>
  withService(
    ({ headers }, response) => void response.writeHead(400).end(`you sent ${headers.authorization}`),
    async ({ base }) => {
      const driver = openWebhook(target({ on: base }, { user: 'me', password: PASSWORD }));
      await assertFails(driver.setPower('on'), 'refused', /you sent Basic \(secret\)\./);
    },
  ));

test('follows a redirect that keeps the command, on the same host only', () =>
  withService(
    ({ url }, response) => {
      if (url === '/old') response.writeHead(308, { Location: '/new' }).end();
      else if (url === '/moved') response.writeHead(302, { Location: '/new' }).end();
      else if (url === '/circle') response.writeHead(307, { Location: '/circle' }).end();
      else if (url === '/away') response.writeHead(307, { Location: 'http://localhost:1/x' }).end();
      else if (url === '/nowhere') response.writeHead(307).end();
      else response.end('on');
    },
    async ({ base, asked }) => {
      const on = (path: string) => openWebhook(target({ on: `${base}${path}` })).setPower('on');
      await on('/old');
      assert.deepEqual(
        asked.map(({ method, url, body }) => [method, url, body]),
        [
          ['POST', '/old', '{"verb":"on","machine":{}}'],
          ['POST', '/new', '{"verb":"on","machine":{}}'],
        ],
      );
      assert.equal(await openWebhook(target({ status: `${base}/moved` })).powerState(), 'on');
      await assertFails(on('/moved'), 'refused', /redirects with HTTP 302, which would drop the command/);
      await assertFails(on('/away'), 'refused', /redirects to another place, http:\/\/localhost:1\. Give the URL/);
      await assertFails(on('/circle'), 'refused', /redirects more than 3 times/);
      await assertFails(on('/nowhere'), 'refused', /redirects to nowhere/);
    },
  ));

test('takes a bounded part of an endless answer', () =>
  withService(
    (_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x61)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    },
    async ({ base }) => {
      await openWebhook(target({ on: base })).setPower('on');
      await assertFails(openWebhook(target({ status: base })).powerState(), 'protocol', /said "aaa/);
    },
  ));

test('says that nobody is there, and that an answer did not come', async () => {
  const patience: WebhookOptions = { connectMs: 20_000, answerMs: 300 };
  const gone = openWebhook(target({ on: `http://127.0.0.1:${await freePort()}/` }), patience);
  await assertFails(gone.setPower('on'), 'unreachable', /nothing listens on that port/);
  const nameless = openWebhook(target({ on: 'http://no-such-host.invalid/' }), patience);
  await assertFails(nameless.setPower('on'), 'unreachable', /cannot be found/);
  await withService(
    () => undefined,
    async ({ base }) => {
      const driver = openWebhook(target({ on: base, status: base }), patience);
      const late = /did not answer within 0\.3 s, so whether it acted is not known/;
      await assertFails(driver.setPower('on'), 'unreachable', late);
      await assertFails(driver.powerState(), 'unreachable', /did not answer within 0\.3 s\./);
    },
  );
});

test('says that a peer hung up, or does not speak HTTP or TLS', async () => {
  const first = { hang: '', garbage: 'SSH-2.0-OpenSSH_9.2\r\n' };
  for (const [what, bytes] of Object.entries(first)) {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const on = (scheme: string) => openWebhook(target({ on: `${scheme}://127.0.0.1:${port}/` })).setPower('on');
    if (what === 'hang') {
      await assertFails(on('http'), 'unreachable', /closed the connection, so whether it acted/);
      await assertFails(on('https'), 'unreachable', /closed the connection/);
    } else {
      await assertFails(on('http'), 'protocol', /not HTTP \(HPE_/);
      await assertFails(on('https'), 'protocol', /not TLS \(ERR_SSL/);
    }
    await new Promise((resolve) => server.close(resolve));
  }
});

test('trusts the authorities of this system, and sends nothing to anybody else', async () => {
  await withService(
    say(200),
    async ({ base, asked }) => {
      await openWebhook(target({ on: base }, { password: PASSWORD })).setPower('on');
      const byAddress = base.replace('localhost', '127.0.0.1');
      const wrongName = openWebhook(target({ on: byAddress }, { password: PASSWORD })).setPower('on');
      await assertFails(wrongName, 'certificate', /does not trust \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
      assert.equal(asked.length, 1);
    },
    ours,
  );
  await withService(
    say(200),
    async ({ base, asked }) => {
      const driver = openWebhook(target({ on: base }, { password: PASSWORD }));
      await assertFails(
        driver.setPower('on'),
        'certificate',
        /does not trust \(\w+\)\. Make its authority known .+ ([0-9A-F]{2}:){31}/,
      );
      assert.equal(asked.length, 0);
    },
    other,
  );
});

test('takes the pinned certificate and no other, whoever trusts it', async () => {
  const pinned = (base: string) =>
    openWebhook(
      target({
        on: base.replace('localhost', '127.0.0.1'),
        fingerprint: fingerprint.replaceAll(':', '').toLowerCase(),
      }),
    );
  await withService(say(200), async ({ base }) => pinned(base).setPower('on'), ours);
  await withService(
    say(200),
    async ({ base, asked }) => {
      await assertFails(
        pinned(base).setPower('on'),
        'certificate',
        new RegExp(`its SHA-256 was ${fingerprint} and is`),
      );
      assert.equal(asked.length, 0);
    },
    other,
  );
});

test('has no word for a verb without a URL', async () => {
  const driver = openWebhook(target({ on: 'http://127.0.0.1:1/' }));
  await assertFails(
    driver.setPower('cycle'),
    'unsupported',
    /has no URL for "cycle"\. Give it a URL in the setting cycle/,
  );
  await assertFails(driver.boot(), 'unsupported', /cannot tell what the next boot will be/);
});

for (const [what, given, problem] of [
  ['no verb at all', target({ method: 'POST' }), /^there is no URL for any of on, off/],
  ['what is no URL', target({ on: 'pdu.example/7' }), /^the setting on is "pdu\.example\/7", which is not a URL/],
  ['another scheme', target({ on: 'ftp://pdu.example/7' }), /which is not a URL of http/],
  [
    'a login in a URL',
    target({ on: 'http://me:tops3cret@pdu/' }),
    /^the URL of the setting on has a user or a password/,
  ],
  [
    'another method',
    target({ on: 'http://pdu/', method: 'post' }),
    /^the setting method is "post", which is not one of/,
  ],
  ['a boot device by GET', target({ boot: 'http://pdu/', method: 'GET' }), /has no body/],
  ['a pin that is none', target({ on: 'https://pdu/', fingerprint: 'AB:CD' }), /fingerprint is "AB:CD"/],
  ['a pin without TLS', target({ on: 'http://pdu/', fingerprint }), /which has no certificate/],
  ['a colon in the user', target({ on: 'http://pdu/' }, { user: 'a:b' }), /RFC 7617/],
  ['a token that no header can carry', target({ on: 'http://pdu/' }, { password: 'tops3cret\n' }), /Bearer token/],
] as const)
  test(`refuses ${what}`, () => {
    const problems = checkWebhookSettings(given);
    assert.equal(problems.length, 1, String(problems));
    assert.match(problems[0] as string, problem);
    assert.ok(!problems.join().includes('tops3cret'));
    assert.throws(() => openWebhook(given), {
      kind: 'unsupported',
      text: /cannot be used: .+\. Correct the settings of this BMC\.$/,
    });
  });
