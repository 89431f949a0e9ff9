import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';

const script = join(import.meta.dirname, '../../scripts/fetch-installer');
const images = 'main/installer-amd64/current/images';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hasGpg = (() => {
  try {
    execFileSync('gpg', ['--version'], { stdio: 'ignore' });
    execFileSync('gpgv', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test('fetch-installer checks a mirror from its signature down to each file', {
  skip: !hasGpg && 'no gpg',
}, async (t) => {
  const { archive, files, sign, folder } = await openSignedArchive(t);
  const output = join(folder, 'output');
  const fetch = (...more: string[]) =>
    run(['--from', 'mirror', '--mirror', archive, '--keyring', join(folder, 'key.gpg'), '--output', output, ...more]);

  const first = await fetch();
  assert.equal(first.code, 0, first.text);
  assert.equal(await readFile(join(output, 'linux'), 'utf8'), 'the kernel');
  assert.deepEqual((await readdir(output)).sort(), ['SHA256SUMS', 'initrd.gz', 'linux']);
  assert.match((await fetch()).text, /is complete/);

  files.set(`${images}/netboot/debian-installer/amd64/linux`, 'another kernel');
  const wrongFile = await fetch('--force');
  assert.match(wrongFile.text, /linux is not what the signed lists say/);
  assert.equal(wrongFile.code, 1);
  assert.match((await fetch()).text, /is complete/, 'what was there stays');

  files.set('InRelease', files.get('InRelease')!.replace('Suite: stable', 'Suite: unstable'));
  assert.match((await fetch('--force')).text, /signature of dists\/bookworm\/InRelease is not good/);

  files.set('InRelease', sign('Codename: trixie\n'));
  assert.match((await fetch('--force')).text, /is of another release/);
  assert.deepEqual((await readdir(output)).sort(), ['SHA256SUMS', 'initrd.gz', 'linux']);
});

test('fetch-installer says what it does not know', async () => {
  for (const args of [['--from', 'space'], ['--output'], ['install']])
    assert.equal((await run(args)).code, 1, args.join(' '));
  assert.match((await run(['--help'])).text, /^usage: scripts\/fetch-installer/);
});

/** An archive on loopback, signed with a key of its own. `files` are below dists/bookworm. */
async function openSignedArchive(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'fetch-installer-'));
  const home = join(folder, 'gnupg');
  await mkdir(home, { mode: 0o700 });
  const gpg = (args: string[], input = '') =>
    execFileSync('gpg', ['--homedir', home, '--batch', '-q', ...args], { input, stdio: ['pipe', 'pipe', 'ignore'] });
  gpg(['--passphrase', '', '--quick-generate-key', 'lab@example.org', 'ed25519', 'sign', 'never']);
  await writeFile(join(folder, 'key.gpg'), gpg(['--export']));
  const sign = (text: string) => gpg(['--clearsign'], text).toString();

  const files = new Map<string, string>();
  const netboot = 'netboot/debian-installer/amd64';
  files.set(`${images}/${netboot}/linux`, 'the kernel');
  files.set(`${images}/${netboot}/initrd.gz`, 'the initrd');
  const sums = ['linux', 'initrd.gz'].map((name) => {
    return `${sha256(files.get(`${images}/${netboot}/${name}`)!)}  ./${netboot}/${name}\n`;
  });
  files.set(`${images}/SHA256SUMS`, sums.join(''));
  const line = ` ${sha256(sums.join(''))} ${sums.join('').length} ${images}/SHA256SUMS\n`;
  files.set('InRelease', sign(`Suite: stable\nCodename: bookworm\nMD5Sum:\n 0 0 x\nSHA256:\n${line}`));

  const server = createServer((req, res) => {
    const content = files.get((req.url ?? '').replace('/debian/dists/bookworm/', ''));
    res.writeHead(content === undefined ? 404 : 200, { 'Content-Length': content?.length ?? 0 });
    res.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], { stdio: 'ignore' });
    await rm(folder, { recursive: true, force: true });
  });
  return { archive: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`, files, sign, folder };
}

function run(args: string[]): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(script, args, { cwd: dirname(script) });
    let text = '';
    child.stdout.on('data', (piece) => (text += piece));
    child.stderr.on('data', (piece) => (text += piece));
    child.on('close', (code) => resolve({ code, text }));
  });
}
