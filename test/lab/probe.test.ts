import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeAnswer } from '../../src/dhcp/probe.ts';
import type { WatchChange } from '../../src/dhcp/watch.ts';
import { openProbeSockets } from '../../src/probe-sockets.ts';
import { SocketError } from '../../src/sockets.ts';
import type { Ipv4 } from '../../src/wire/address.ts';
import { until, whyNotHere } from './rig.ts';

const PROJECT = join(import.meta.dirname, '../..');
const APPLIANCE = 'fl-test-probe';
const OFFICE = 'fl-test-probe-b';
const ROGUE = 'fl-test-probe-c';
const SWITCH = 'fl-test-probe-s';
const ALL = [APPLIANCE, OFFICE, ROGUE, SWITCH];
const MACS = { [APPLIANCE]: '52:54:00:99:0c:01', [OFFICE]: '52:54:00:99:0c:02', [ROGUE]: '52:54:00:99:0c:03' };

/** What the children begin with: the sockets are opened as root, and everything after that is done as nobody. */
const AS_NOBODY = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { openProbeSockets } from '${PROJECT}/src/probe-sockets.ts';
  import { createProber } from '${PROJECT}/src/dhcp/probe.ts';
  import { createWatch } from '${PROJECT}/src/dhcp/watch.ts';
  const sockets = openProbeSockets({ interface: 'eth0', address: '10.92.0.1', namespace: '${APPLIANCE}' });
  process.setgroups([65534]); process.setgid(65534); process.setuid(65534);
  const clock = () => Date.now();
  const prober = createProber({ sockets, steady: () => performance.now() });
  const ask = (address, how) => new Promise((resolve) => {
    const began = performance.now();
    const outcome = prober.ask(address, how, (answer) => resolve({ outcome, ...answer, ms: performance.now() - began }));
    if (outcome !== 'asked') resolve({ outcome });
  });
`;
type Asked = { outcome: string; ms: number } & ProbeAnswer;

/** Real hosts on one wire: ourselves, an office with its dnsmasq and a network behind it, and a box that somebody brought along. */
describe('the wire is asked by a process that gave up root', { skip: whyNotHere() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-probe-'));
  const children: ChildProcess[] = [];

  before(async () => {
    for (const name of ALL) removeNamespace(name);
    for (const name of ALL) ip('netns', 'add', name);
    ip('-n', SWITCH, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    ip('-n', SWITCH, 'link', 'set', 'br0', 'up');
    [APPLIANCE, OFFICE, ROGUE].forEach((name, index) => {
      ip('-n', SWITCH, 'link', 'add', `port${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      ip('-n', SWITCH, 'link', 'set', `port${index}`, 'master', 'br0', 'up');
      ip('-n', name, 'link', 'set', 'eth0', 'address', MACS[name as keyof typeof MACS]);
      ip('-n', name, 'link', 'set', 'eth0', 'up');
    });
    ip('-n', APPLIANCE, 'address', 'add', '10.92.0.1/24', 'dev', 'eth0');
    ip('-n', OFFICE, 'address', 'add', '10.92.0.2/24', 'dev', 'eth0');
    // behind the office: a network that we reach through it only
    ip('-n', OFFICE, 'link', 'add', 'far', 'type', 'bridge');
    ip('-n', OFFICE, 'address', 'add', '10.192.0.7/24', 'dev', 'far');
    ip('-n', OFFICE, 'link', 'set', 'far', 'up');
    ip('-n', APPLIANCE, 'route', 'add', '10.192.0.0/24', 'via', '10.92.0.2');
    // a network that we have no route to, and a kernel that drops what comes from such
    ip('-n', ROGUE, 'address', 'add', '192.168.92.1/24', 'dev', 'eth0');
    for (const one of ['all', 'eth0'])
      ip('netns', 'exec', APPLIANCE, 'sysctl', '-qw', `net.ipv4.conf.${one}.rp_filter=1`);
    await sleep(100);
  });

  after(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const name of ALL) removeNamespace(name);
    rmSync(folder, { recursive: true, force: true });
  });

  test('an address on the wire is found by ARP with its MAC, and a free one is free in time', async () => {
    const [used, free] = await child<Asked[]>(`
      done([await ask('10.92.0.2', 'arp'), await ask('10.92.0.77', 'arp')]);
    `);
    assert.deepEqual({ ...used, ms: 0 }, { outcome: 'asked', inUse: true, mac: MACS[OFFICE], ms: 0 });
    assert.ok((used?.ms ?? 0) < 100, `found in ${used?.ms} ms`);
    assert.deepEqual({ ...free, ms: 0 }, { outcome: 'asked', inUse: false, ms: 0 });
    assert.ok((free?.ms ?? 0) >= 145 && (free?.ms ?? 0) < 400, `free after ${free?.ms} ms`);
  });

  test('an address behind a router is found by an echo, a free one is free, and one without a route is not asked', async () => {
    const [used, free, nowhere] = await child<Asked[]>(`
      done([await ask('10.192.0.7', 'icmp'), await ask('10.192.0.8', 'icmp'), await ask('10.193.0.1', 'icmp')]);
    `);
    assert.deepEqual({ ...used, ms: 0 }, { outcome: 'asked', inUse: true, ms: 0 });
    assert.ok((used?.ms ?? 0) < 100, `found in ${used?.ms} ms`);
    assert.deepEqual({ ...free, ms: 0 }, { outcome: 'asked', inUse: false, ms: 0 });
    assert.deepEqual(nowhere, { outcome: 'busy' });
  });

  test('of 200 asks at once 64 are asked, and all of them are over in the time of one', async () => {
    const { outcomes, inFlight, later, ms } = await child<{
      outcomes: string[];
      inFlight: number[];
      later: Asked;
      ms: number;
    }>(`
      const inFlight = [];
      const began = performance.now();
      const all = Array.from({ length: 200 }, (_, index) => ask('10.92.0.' + (index + 2), 'arp'));
      inFlight.push(prober.inFlight());
      const outcomes = (await Promise.all(all)).map((one) => one.outcome + (one.inUse ? ' in use' : ''));
      const ms = performance.now() - began;
      inFlight.push(prober.inFlight());
      done({ outcomes, inFlight, later: await ask('10.92.0.80', 'arp'), ms });
    `);
    assert.deepEqual(inFlight, [64, 0]);
    assert.equal(outcomes[0], 'asked in use');
    assert.equal(outcomes.filter((one) => one === 'asked').length, 63);
    assert.equal(outcomes.filter((one) => one === 'busy').length, 136);
    assert.equal(later.outcome, 'asked');
    assert.ok(ms < 500, `${ms} ms`);
  });

  test('a dnsmasq is noticed with what it offers to whom, and so is one from a network that we have no route to', async () => {
    dnsmasq(OFFICE, '--dhcp-range=10.92.0.100,10.92.0.120,1h', '--dhcp-option=3,10.92.0.254');
    dnsmasq(
      ROGUE,
      '--dhcp-range=192.168.92.100,192.168.92.120,10m',
      '--dhcp-match=set:bios,93,0',
      '--dhcp-boot=tag:bios,pxelinux.0,tftp,192.168.92.9',
      '--dhcp-vendorclass=set:http,HTTPClient',
      '--dhcp-option-force=tag:http,60,HTTPClient',
      '--dhcp-boot=tag:http,http://192.168.92.9/grubx64.efi',
    );
    await sleep(1000);
    const changes = await child<WatchChange[]>(`
      const changes = [];
      const tell = (change) => { changes.push(change); if (changes.length === 2) { watch.close(); done(changes); } };
      const own = { addresses: ['10.92.0.1'], instance: 'test' };
      const watch = createWatch({ sockets, own, clock, tell, lookMs: 100 });
    `);
    const found = changes.toSorted((a, b) => a.server.address.localeCompare(b.server.address));
    assert.deepEqual(
      found.map(({ kind, text }) => [kind, text]),
      [
        [
          'appeared',
          `another DHCP server 10.92.0.2 (${MACS[OFFICE]}) on eth0 offers ${found[0]?.server.offers.address}, router 10.92.0.254`,
        ],
        [
          'appeared',
          `another DHCP server 192.168.92.1 (${MACS[ROGUE]}) on eth0 offers ${found[1]?.server.offers.address}, router 192.168.92.1, boot file ${found[1]?.server.offers.bootFileName}`,
        ],
      ],
    );
    const [office, rogue] = found.map(({ server }) => server);
    assert.match(office?.offers.address ?? '', /^10\.92\.0\.1[012]\d$/);
    assert.deepEqual([office?.offers.leaseSeconds, office?.spoils], [3600, []]);
    assert.deepEqual(rogue?.offersTo['BIOS PXE'], {
      address: rogue?.offers.address,
      nextServer: '192.168.92.9',
      tftpServerName: 'tftp',
      bootFileName: 'pxelinux.0',
      routers: ['192.168.92.1'],
      leaseSeconds: 600,
    });
    assert.equal(rogue?.offersTo['UEFI PXE']?.bootFileName, undefined);
    assert.deepEqual(
      rogue?.spoils.map(({ rule, text }) => [rule, text.split('; told to: ').at(-1)]),
      [
        ['http-offer', 'UEFI HTTP boot'],
        ['boot-file', 'BIOS PXE'],
      ],
    );
  });

  test("the host's own DHCP client finds its port free while we listen, and we hear what it is told", async () => {
    const watching = child<WatchChange[]>(`
      const own = { addresses: ['10.92.0.1', '10.92.0.2', '192.168.92.1'], instance: 'test' };
      const heard = [];
      for (let look = 0; look < 40 && !heard.length; look++) { heard.push(...sockets.hearDhcp()); await sleep(100); }
      done(heard.map(({ address, mac }) => [address, mac]));
    `);
    await sleep(500);
    const taken = execFileSync('ip', ['netns', 'exec', APPLIANCE, 'ss', '-Huln', 'sport', '=', ':68'], {
      encoding: 'utf8',
    });
    assert.equal(taken, '');
    await new Promise<void>((resolve) => {
      const words = ['-i', 'eth0', '-n', '-q', '-f', '-B', '-t', '3', '-T', '1', '-s', '/bin/true'];
      execFile('ip', ['netns', 'exec', APPLIANCE, 'udhcpc', ...words], () => resolve());
    });
    const [heard] = (await watching) as unknown as [string, string][];
    assert.ok(heard && [MACS[OFFICE], MACS[ROGUE]].includes(heard[1]), JSON.stringify(heard));
  });

  test('what cannot be probed is refused with a sentence', () => {
    const open = (device: string, address: string, namespace: string) => () =>
      openProbeSockets({ interface: device, address: address as Ipv4, namespace });
    for (const [refused, message] of [
      [open('eth7', '10.92.0.1', APPLIANCE), /^cannot probe interface eth7: ENODEV \(is it there\? ip link\)$/],
      [open('lo', '127.0.0.1', APPLIANCE), /^cannot probe interface lo: it is not Ethernet$/],
      [open('eth0', '10.92.0.9', APPLIANCE), /^cannot bind ICMP to 10\.92\.0\.9: EADDRNOTAVAIL/],
      [open('eth0', '10.92.0.1', 'fl-test-none'), /^there is no network namespace fl-test-none/],
    ] as const)
      assert.throws(refused, (error) => error instanceof SocketError && message.test(error.message));
  });

  test('an interface that goes down is not asked, and is asked again when it is up', async () => {
    const asked = child<Asked[]>(
      `
      const all = [];
      for (const round of [1, 2, 3]) {
        all.push(await ask('10.92.0.' + (200 + round), 'arp'));
        console.log('ready');
        await new Promise((resolve) => process.stdin.once('data', resolve));
      }
      process.stdin.pause();
      done(all);
    `,
      async (running, ready) => {
        for (const state of ['down', 'up', 'up']) {
          await ready();
          ip('-n', APPLIANCE, 'link', 'set', 'eth0', state);
          running.stdin?.write('\n');
        }
      },
    );
    assert.deepEqual(
      (await asked).map(({ outcome }) => outcome),
      ['asked', 'busy', 'asked'],
    );
  });

  /** Runs the script and gives what it hands to `done`. */
  function child<T>(
    script: string,
    accompany: (running: ChildProcess, ready: () => Promise<void>) => Promise<void> = async () => {},
  ): Promise<T> {
    const end = `const done = (result) => { prober.close(); sockets.close(); console.log(JSON.stringify([process.getuid(), result])); };`;
    const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', AS_NOBODY + end + script];
    const running = spawn(process.execPath, words, { cwd: PROJECT, stdio: ['pipe', 'pipe', 'pipe'] });
    children.push(running);
    let output = '';
    let errors = '';
    let seen = 0;
    running.stdout.on('data', (data: Buffer) => {
      output += data;
    });
    running.stderr.on('data', (data: Buffer) => {
      errors += data;
    });
    const ready = async (): Promise<void> => {
      seen++;
      await until('the child is ready', 20, async () => (output.split('ready').length > seen ? true : undefined));
    };
    return new Promise((resolve, reject) => {
      accompany(running, ready).catch(reject);
      const late = setTimeout(() => running.kill('SIGKILL'), 30_000);
      running.once('close', () => {
        clearTimeout(late);
        try {
          const [uid, result] = JSON.parse(output.trim().split('\n').at(-1) ?? '') as [number, T];
          assert.equal(uid, 65534);
          resolve(result);
        } catch {
          reject(new Error(`the child ended with:\n${output}${errors}`));
        }
      });
    });
  }

  function dnsmasq(namespace: string, ...flags: string[]): void {
    const lease = join(folder, `${namespace}.leases`);
    const words = [
      '--no-daemon',
      '--conf-file=/dev/null',
      '--port=0',
      '--interface=eth0',
      '--bind-dynamic',
      '--no-ping',
    ];
    const identity = ['--user=root', '--pid-file=', `--dhcp-leasefile=${lease}`];
    const program = ['netns', 'exec', namespace, 'dnsmasq', ...words, ...identity, ...flags];
    children.push(spawn('ip', program, { stdio: 'ignore' }));
  }
});

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
