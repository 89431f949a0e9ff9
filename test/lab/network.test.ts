import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LOADERS } from '../../src/boot/loaders.ts';
import { TestAppliance, whyNotHere } from './rig.ts';

const SERVER = 'fl-test-net';
const CLIENTS = ['fl-test-net-a', 'fl-test-net-b'] as const;
const MACS = { [CLIENTS[0]]: '52:54:00:99:0a:01', [CLIENTS[1]]: '52:54:00:99:0b:01' };
/** What udhcpc calls at each change: it writes what it was given as JSON. */
const UDHCPC_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
printf '{"ip":"%s","mask":"%s","server":"%s","siaddr":"%s","file":"%s"}' "$ip" "$subnet" "$serverid" "$siaddr" "$boot_file" >"$RESULT"
`;

/** Real clients in namespaces of their own, on two wires of one appliance. */
describe('two interfaces with two subnets', { skip: whyNotHere() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-net-'));
  let appliance: TestAppliance;

  before(async () => {
    for (const name of [SERVER, ...CLIENTS]) removeNamespace(name);
    for (const name of [SERVER, ...CLIENTS]) ip('netns', 'add', name);
    CLIENTS.forEach((client, index) => {
      ip('-n', SERVER, 'link', 'add', `wire${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client);
      ip('-n', SERVER, 'address', 'add', `10.${90 + index}.0.1/24`, 'dev', `wire${index}`);
      ip('-n', SERVER, 'link', 'set', `wire${index}`, 'up');
      ip('-n', client, 'link', 'set', 'eth0', 'address', MACS[client] as string);
      ip('-n', client, 'link', 'set', 'eth0', 'up');
    });
    writeFileSync(join(folder, 'udhcpc.sh'), UDHCPC_SCRIPT, { mode: 0o755 });
    appliance = new TestAppliance([
      '--namespace',
      SERVER,
      '--interface',
      'wire0',
      '--interface',
      'wire1',
      '--range',
      '10.91.0.50-10.91.0.59',
    ]);
    await appliance.start();
  });

  after(async () => {
    await appliance?.close();
    for (const name of [SERVER, ...CLIENTS]) removeNamespace(name);
    rmSync(folder, { recursive: true, force: true });
  });

  test('the appliance gives up root, or says which folder keeps it from that', () => {
    const isRoot = /^Uid:\s+0\b/m.test(readFileSync(`/proc/${appliance.pid}/status`, 'utf8'));
    const wall = /stays root: user firstlight may not enter (\S+);/.exec(appliance.log)?.[1];
    if (wall === undefined) assert.match(appliance.log, /runs as user firstlight, without any privilege/);
    else assert.equal(statSync(wall).mode & 0o001, 0, `${wall} would let it pass`);
    assert.equal(isRoot, wall !== undefined);
  });

  test('each client is answered on its own wire with its own addresses', async () => {
    const [a, b] = await Promise.all(CLIENTS.map((client) => udhcpc(client)));
    assert.match(a?.ip ?? '', /^10\.90\.0\./);
    assert.equal(a?.server, '10.90.0.1');
    assert.match(b?.ip ?? '', /^10\.91\.0\.5\d$/);
    assert.equal(b?.server, '10.91.0.1');
    // the same client gets the same address again, through another client program too
    assert.equal((await udhcpc(CLIENTS[0])).ip, a?.ip);
    assert.equal(await dhclient(CLIENTS[0]), a?.ip);
  });

  test('a PXE client is told a loader or its disk by names that TFTP and HTTP serve on its wire', async () => {
    const [client] = CLIENTS;
    const answer = await udhcpc(client, ['-x', '0x5d:0007', '-V', 'PXEClient:Arch:00007:UNDI:003000']);
    assert.equal(answer.siaddr, '10.90.0.1');
    assert.match(answer.file, /^b\/52-54-00-99-0a-01\/(snponly|local-boot)\.efi$/);
    ip('-n', client, 'address', 'add', `${answer.ip}/24`, 'dev', 'eth0');
    const { stdout } = await inClient(client, 'curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://10.90.0.1/b/52-54-00-99-0a-01/local-boot.efi',
    ]);
    assert.equal(stdout, '404');
    const fetched = join(folder, 'loader');
    const { code } = await inClient(client, 'curl', ['-s', '-o', fetched, `tftp://10.90.0.1/${answer.file}`]);
    if (answer.file.endsWith('local-boot.efi'))
      assert.equal(code, 68); // TFTP file not found
    else
      assert.deepEqual(
        readFileSync(fetched),
        readFileSync(join('/usr/lib/ipxe', LOADERS.find((one) => answer.file.endsWith(one.file))?.file ?? '')),
      );
    const script = await inClient(client, 'curl', ['-s', 'http://10.90.0.1/autoexec.ipxe']);
    assert.match(script.stdout, /^#!ipxe\n/);
  });

  test('a client that releases its address gets it again, and nobody answers on a wire nobody named', async () => {
    const before = await udhcpc(CLIENTS[1]);
    await udhcpc(CLIENTS[1], ['-R']);
    assert.equal((await udhcpc(CLIENTS[1])).ip, before.ip);
    ip('-n', SERVER, 'link', 'add', 'wire9', 'type', 'veth', 'peer', 'name', 'eth9', 'netns', CLIENTS[1]);
    ip('-n', SERVER, 'address', 'add', '10.99.0.1/24', 'dev', 'wire9');
    ip('-n', SERVER, 'link', 'set', 'wire9', 'up');
    ip('-n', CLIENTS[1], 'link', 'set', 'eth9', 'up');
    const { code } = await inClient(CLIENTS[1], 'udhcpc', [
      '-i',
      'eth9',
      '-n',
      '-q',
      '-f',
      '-t',
      '3',
      '-T',
      '1',
      '-s',
      '/bin/true',
    ]);
    assert.notEqual(code, 0);
  });

  async function udhcpc(
    client: string,
    extra: string[] = [],
  ): Promise<{ ip: string; mask: string; server: string; siaddr: string; file: string }> {
    const result = join(folder, `${client}.json`);
    rmSync(result, { force: true });
    const { output } = await inClient(
      client,
      'udhcpc',
      [
        '-i',
        'eth0',
        '-n',
        '-q',
        '-f',
        '-t',
        '10',
        '-T',
        '2',
        '-s',
        join(folder, 'udhcpc.sh'),
        '-O',
        'bootfile',
        ...extra,
      ],
      { RESULT: result },
    );
    try {
      return JSON.parse(readFileSync(result, 'utf8'));
    } catch {
      throw new Error(`udhcpc in ${client} got nothing:\n${output}\n${appliance.log}`);
    }
  }

  async function dhclient(client: string): Promise<string | undefined> {
    const words = ['-1', '-v', '-sf', '/bin/true', '-lf', join(folder, 'leases'), '-pf', join(folder, 'pid'), 'eth0'];
    const { output } = await inClient(client, 'dhclient', words);
    try {
      process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
    } catch {
      // it had ended by itself
    }
    return /bound to ([\d.]+)/.exec(output)?.[1] ?? output;
  }
});

function inClient(
  namespace: string,
  program: string,
  words: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; output: string }> {
  return new Promise((resolve) => {
    execFile(
      'ip',
      ['netns', 'exec', namespace, program, ...words],
      { timeout: 60_000, env: { ...process.env, ...env } },
      (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, output: `${stdout}${stderr}` }),
    );
  });
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' });
}

function removeNamespace(name: string): void {
  try {
    ip('netns', 'del', name);
  } catch {
    // it was not there
  }
}
