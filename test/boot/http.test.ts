import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { formatBytes } from '../../src/model/size.ts';
import { type Harness, withHarness } from '../harness.ts';

const ASSET = '/b/52-54-00-aa-bb-01/a/scout/vmlinuz';
const CONTENT = 'the bytes of scout/vmlinuz\n';
const LOADER = '/b/52-54-00-aa-bb-01/undionly.kpxe';
const SCRIPT = '/b/52-54-00-aa-bb-01/boot.ipxe';

type Answer = { status: number; headers: Map<string, string>; body: string };

/** Send these bytes and read until the server closes, as firmware's own HTTP does. Header names keep their case. */
function exchange(port: number, request: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    socket.on('data', (part) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...rest] = Buffer.concat(parts).toString('latin1').split('\r\n\r\n');
      const [statusLine = '', ...lines] = head.split('\r\n');
      const headers = new Map(
        lines.map((line): [string, string] => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
      );
      resolve({ status: Number(statusLine.split(' ')[1]), headers, body: rest.join('\r\n\r\n') });
    });
    socket.write(request);
  });
}

function ask(port: number, method: string, path: string, headers: string[] = []): Promise<Answer> {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 10.77.0.1', 'Connection: close', ...headers];
  return exchange(port, `${lines.join('\r\n')}\r\n\r\n`);
}

const withServer = (check: (port: number, harness: Harness) => Promise<void>): Promise<void> =>
  withHarness({}, async (harness) => check(await harness.listen(), harness));

test('Q22 Q23 gives a file whole, with the headers that firmware matches by case', () =>
  withServer(async (port) => {
    const { status, headers, body } = await ask(port, 'GET', ASSET);
    assert.deepEqual([status, body], [200, CONTENT]);
    assert.equal(headers.get('Content-Length'), String(CONTENT.length));
    assert.equal(headers.get('Content-Type'), 'application/octet-stream');
    assert.equal(headers.get('Accept-Ranges'), 'bytes');
    assert.match(headers.get('ETag') ?? '', /^"[0-9a-f]{32}"$/);
    assert.equal(headers.get('Transfer-Encoding'), undefined);
    assert.ok([...headers].flat().join(': ').length < 1500, 'U-Boot reads 2048 bytes of header');
  }));

test('an EFI program is application/efi, as UEFI HTTP boot demands, and a script is text', () =>
  withServer(async (port) => {
    const efi = await ask(port, 'GET', '/b/52-54-00-aa-bb-01/snponly.efi');
    assert.equal(efi.headers.get('Content-Type'), 'application/efi');
    assert.equal((await ask(port, 'GET', SCRIPT)).headers.get('Content-Type'), 'text/plain');
  }));

for (const path of [ASSET, LOADER, SCRIPT, '/b/52-54-00-aa-bb-01/local-boot.efi', '/nosuch', '/run/TOKEN/file/x'])
  test(`HEAD ${path} has the headers of GET and no body`, () =>
    withServer(async (port, harness) => {
      harness.addMachine('vm-01', { disks: 'empty' });
      const head = await ask(port, 'HEAD', path);
      const get = await ask(port, 'GET', path);
      assert.equal(head.body, '');
      assert.equal(head.status, get.status);
      for (const answer of [head, get]) {
        answer.headers.delete('Date');
        if (path === SCRIPT) answer.headers.delete('ETag'); // each GET makes a token, and so other bytes
      }
      assert.deepEqual(head.headers, get.headers);
      assert.equal(Number(get.headers.get('Content-Length')), Buffer.byteLength(get.body));
    }));

const LENGTH = CONTENT.length;
const RANGES: [string, number, string, string?][] = [
  ['bytes=0-3', 206, CONTENT.slice(0, 4), `bytes 0-3/${LENGTH}`],
  ['bytes=4-', 206, CONTENT.slice(4), `bytes 4-${LENGTH - 1}/${LENGTH}`],
  ['bytes=-5', 206, CONTENT.slice(-5), `bytes ${LENGTH - 5}-${LENGTH - 1}/${LENGTH}`],
  ['bytes=-500', 206, CONTENT, `bytes 0-${LENGTH - 1}/${LENGTH}`],
  ['bytes=3-500', 206, CONTENT.slice(3), `bytes 3-${LENGTH - 1}/${LENGTH}`],
  [`bytes=${LENGTH}-`, 416, '', `bytes */${LENGTH}`],
  ['bytes=-0', 416, '', `bytes */${LENGTH}`],
  ['bytes=0-1,3-4', 200, CONTENT],
  ['bytes=-', 200, CONTENT],
  ['bytes=a-b', 200, CONTENT],
  ['lines=0-1', 200, CONTENT],
];
for (const [range, status, body, contentRange] of RANGES)
  test(`Q23 Range: ${range} is answered ${status}`, () =>
    withServer(async (port) => {
      const answer = await ask(port, 'GET', ASSET, [`Range: ${range}`]);
      assert.deepEqual([answer.status, answer.body], [status, body]);
      assert.equal(answer.headers.get('Content-Range'), contentRange);
      assert.equal(answer.headers.get('Content-Length'), String(body.length));
    }));

test('a range is for GET alone, and only of the version that If-Range names', () =>
  withServer(async (port) => {
    const { headers } = await ask(port, 'GET', ASSET);
    const same = [`If-Range: ${headers.get('ETag')}`, 'Range: bytes=0-3'];
    assert.equal((await ask(port, 'GET', ASSET, same)).status, 206);
    assert.equal((await ask(port, 'GET', ASSET, ['If-Range: "other"', 'Range: bytes=0-3'])).status, 200);
    // RFC 9110 14.2: range handling is defined for GET only
    const head = await ask(port, 'HEAD', ASSET, ['Range: bytes=0-3']);
    assert.deepEqual([head.status, head.headers.get('Content-Length')], [200, String(CONTENT.length)]);
  }));

test('Q22 serves firmware that sends no Host, speaks HTTP/1.0 or asks by an absolute URL', () =>
  withServer(async (port) => {
    for (const line of [
      `GET ${ASSET} HTTP/1.1\r\nConnection: close`,
      `GET ${ASSET} HTTP/1.0`,
      `GET http://10.77.0.1${ASSET} HTTP/1.1\r\nConnection: close`,
      `GET HTTP://10.77.0.1:80${ASSET}?x=y HTTP/1.1\r\nConnection: close`,
    ]) {
      const { status, body } = await exchange(port, `${line}\r\n\r\n`);
      assert.deepEqual([status, body], [200, CONTENT], line);
    }
    assert.equal(
      (await exchange(port, `GET ${ASSET.slice(1)} HTTP/1.0\r\n\r\n`)).status,
      400,
      'no slash at its beginning',
    );
  }));

test('a local boot is 404 at once, and the timeline calls it a local boot', () =>
  withServer(async (port, harness) => {
    harness.addMachine('vm-01', { state: 'installed' });
    const { status, body } = await ask(port, 'GET', '/b/52-54-00-aa-bb-01/local-boot.efi');
    assert.equal(status, 404);
    assert.match(body, /vm-01 is installed and no job asks for another boot/);
    assert.deepEqual(
      harness.told.map((event) => event.kind),
      ['file.declined'],
    );
  }));

test('a file that is not for this machine is 403, and says why', () =>
  withServer(async (port) => {
    const { status, body } = await ask(port, 'GET', '/b/52-54-00-aa-bb-01/a/debian-12/linux');
    assert.equal(status, 403);
    assert.match(body, /debian-12 is not what this machine is to boot/);
  }));

const HOSTILE: [string, number][] = [
  ['/b/52-54-00-aa-bb-01/a/../../../data/secret.key', 404],
  ['/../../../../etc/passwd', 404],
  ['/%2e%2e/%2e%2e/etc/passwd', 404],
  ['/b/52-54-00-aa-bb-01/a/scout/..%2f..%2f..%2fdata%2fsecret.key', 400],
  ['/b/52-54-00-aa-bb-01/a/scout/..%5c..%5csecret.key', 400],
  ['/b/52-54-00-aa-bb-01/a/scout/vmlinuz%00.txt', 400],
  ['/b/52-54-00-aa-bb-01/a/scout/%252e%252e', 404],
  ['/%zz', 400],
  ['/etc/passwd', 404],
  ['//run/x', 404],
  ['/', 404],
  ['*', 404],
  ['http://10.77.0.1', 404],
  ['/run/', 410],
  ['/run/../b/52-54-00-aa-bb-01/boot.ipxe', 410],
];
for (const [path, status] of HOSTILE)
  test(`GET ${path} is answered ${status} and leads out of nothing`, () =>
    withServer(async (port) => {
      const answer = await ask(port, 'GET', path);
      assert.equal(answer.status, status, answer.body);
      assert.doesNotMatch(answer.body, /root:|[0-9a-f]{64}/);
    }));

test('only GET and HEAD are for files; what is no HTTP is 400', () =>
  withServer(async (port) => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await ask(port, method, ASSET, ['Content-Length: 0'])).status, 405, method);
    assert.equal((await exchange(port, 'hello\r\n\r\n')).status, 400);
    assert.equal((await ask(port, 'GET', ASSET)).status, 200, 'and it still answers');
  }));

test('tells the timeline what was served, whole or by its first range, and nothing for the other ranges', () =>
  withServer(async (port, harness) => {
    harness.addMachine('vm-01', { disks: 'empty' });
    await ask(port, 'GET', ASSET);
    await ask(port, 'GET', ASSET, ['Range: bytes=4-7']);
    await ask(port, 'HEAD', ASSET);
    const served = await harness.until(() => harness.told.find((event) => event.kind === 'file.served'));
    assert.equal(served.text, 'vmlinuz, 27 bytes by HTTP');
    assert.deepEqual({ ...served.data, ms: 0 }, { name: 'vmlinuz', by: 'HTTP', bytes: 27, ms: 0 });
    assert.equal(harness.told.filter((event) => event.kind === 'file.served').length, 1);
  }));

test('bytes are told as people say them', () => {
  assert.deepEqual([0, 999, 1000, 12_345, 123_456_789, 5e12].map(formatBytes), [
    '0 bytes',
    '999 bytes',
    '1.0 kB',
    '12.3 kB',
    '123 MB',
    '5.0 TB',
  ]);
});
