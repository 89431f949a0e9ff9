import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openRack, type Rack } from '../../src/lab/rack.ts';
import type { Ipv4 } from '../../src/wire/address.ts';
import { Capture, describeMessage, type SeenMessage } from './capture.ts';
import { bound, startDhclient, startUdhcpc } from './dhcp-clients.ts';
import { type ForeignPlace, startDnsmasq, startKea } from './foreign.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { sayAndStay, writeDisk } from './sectors.ts';
import { type Program, TestNetwork } from './wires.ts';

const RACK = 'fl-test-proxy';
const OURS = '10.77.0.1' as Ipv4;
const FOREIGN = '10.77.0.2' as Ipv4;
/** The machines of the default rack: iPXE in a BIOS ROM, UEFI PXE, UEFI HTTP boot. */
const MACHINES = ['vm-01', 'vm-02', 'vm-03'] as const;
type MachineName = (typeof MACHINES)[number];

/** An appliance with --proxy beside a DHCP server that is not ours, on the wire of real firmware. */
describe('beside a foreign DHCP server', { skip: whyNotHere('scout') }, () => {
  let network: TestNetwork;
  let rack: Rack;
  let appliance: TestAppliance;
  let capture: Capture;
  let foreign: ForeignPlace;
  let server: Program;

  before(async () => {
    network = new TestNetwork(RACK);
    rack = await openRack({ name: RACK, networks: [{ bridge: 'rack0', address: `${OURS}/24` }] });
    const bridge = { namespace: rack.namespace, bridge: 'rack0' };
    for (const host of ['foreign', 'client']) network.addHost(host);
    network.plug('foreign', 'eth0', bridge, { address: `${FOREIGN}/24` });
    network.plug('client', 'eth0', bridge);
    foreign = {
      namespace: network.namespace('foreign'),
      card: 'eth0',
      folder: network.folder,
      subnet: '10.77.0.0/24',
      first: '10.77.0.150',
      last: '10.77.0.179',
    };
    capture = await Capture.open(rack.namespace, 'rack0', join(network.folder, 'rack0.pcap'), 'udp or arp');
    server = await startDnsmasq(foreign);
    const flags = ['--namespace', rack.namespace, '--interface', 'rack0', '--proxy', '--accept', 'automatic'];
    appliance = new TestAppliance(flags);
    await appliance.start();
  });

  after(async () => {
    await capture?.stop();
    await server?.stop();
    await appliance?.close();
    await rack?.close();
    await network?.close();
  });

  test('an operating system gets its address from the foreign server and hears nothing from us', async () => {
    const place = { network, host: 'client', card: 'eth0' };
    for (const start of [startUdhcpc, startDhclient]) {
      const since = capture.messages().length;
      const started = start(place);
      const address = await bound(place, started);
      assert.match(address, /^10\.77\.0\.1[567]\d$/);
      await started.release();
      assert.deepEqual(sentByUs(since), []);
    }
    type Foreign = { foreignServers: { serverId: string }[] };
    await until('the foreign server is noticed', 60, async () =>
      (await appliance.get<Foreign>('/api/v1/dhcp')).foreignServers.some(({ serverId }) => serverId === FOREIGN)
        ? true
        : undefined,
    );
  });

  test('beside dnsmasq each firmware boots the scout from us with an address of the foreign server', async () => {
    const since = capture.messages().length;
    for (const machine of rack.machines) {
      const entered = await appliance.enroll(machine);
      await appliance.request('POST', `/api/v1/machines/${entered.name}/power`, { action: 'on' });
    }
    for (const name of MACHINES) {
      await until(`${name} is ready`, 400, async () => {
        const present = await appliance.machine(name).catch(() => undefined);
        return present?.state === 'ready' && present.inventory ? present : undefined;
      }).catch(withStory(name));
      assertForeignAddress(name, since);
    }
    // those that fetch a loader showed that an offer with the file in it leads there
    for (const name of ['vm-02', 'vm-03'] as const)
      assert.equal((await appliance.machine(name)).pxeLearned, 'direct', name);
  });

  test('UEFI firmware that is sent to port 4011 asks for its file there, and that way is kept for it', async () => {
    await appliance.request('PATCH', '/api/v1/machines/vm-02', { pxeStyle: 'binl' });
    await bootsTheScout('vm-02');
    assert.equal((await appliance.machine('vm-02')).pxeLearned, 'binl');
    await appliance.request('PATCH', '/api/v1/machines/vm-02', { pxeStyle: 'auto' });
    const since = capture.messages().length;
    await bootsTheScout('vm-02');
    assert.equal((await appliance.machine('vm-02')).pxeLearned, 'binl');
    const asked = of('vm-02', since).filter(({ toPort, to }) => toPort === 4011 && to === OURS);
    assert.notEqual(asked.length, 0, of('vm-02', since).map(describeMessage).join('\n'));
    // back to the other way, which is kept as well
    await appliance.request('PATCH', '/api/v1/machines/vm-02', { pxeStyle: 'direct' });
    await bootsTheScout('vm-02');
    assert.equal((await appliance.machine('vm-02')).pxeLearned, 'direct');
    await appliance.request('PATCH', '/api/v1/machines/vm-02', { pxeStyle: 'auto' });
  });

  test('beside Kea each firmware boots the scout from us, which now finds a system on each disk', async () => {
    await server.stop('SIGTERM');
    server = await startKea({ ...foreign, first: '10.77.0.200', last: '10.77.0.229' });
    for (const machine of rack.machines) {
      await machine.powerOff();
      await writeDisk(machine.diskPath, sayAndStay('DISK RUNS'));
    }
    for (const name of MACHINES) {
      const since = capture.messages().length;
      await bootsTheScout(name);
      const address = assertForeignAddress(name, since);
      assert.match(address, /^10\.77\.0\.2[012]\d$/);
      const { inventory } = await appliance.machine(name);
      assert.equal(inventory?.disks[0]?.blank, false);
    }
  });

  test('machines with a system are sent to their disk', async () => {
    for (const name of MACHINES) {
      const machine = rack.machine(name);
      const since = (await appliance.timeline(name)).at(-1)?.id ?? 0;
      const shown = readFileSync(machine.serialLog, 'latin1').length;
      await machine.powerOff();
      await machine.setNetworkFirst(true);
      await machine.powerOn();
      await appliance.event(name, 'boot.started', 200, since).catch(withStory(name));
      // iPXE in the ROM is told by its script, the others by a file that is answered with an error
      const told = name === 'vm-01' ? 'file.served' : 'file.declined';
      await appliance.event(name, told, 200, since).catch(withStory(name));
      if (name === 'vm-01')
        await until('the disk runs', 200, async () =>
          readFileSync(machine.serialLog, 'latin1').slice(shown).includes('DISK RUNS') ? true : undefined,
        );
      const events = (await appliance.timeline(name)).filter((event) => event.id > since);
      assert.ok(!events.some((event) => /vmlinuz|initrd/.test(String(event.data?.name))), `${name} was given a kernel`);
      await machine.powerOff();
    }
  });

  test('nothing but offers without an address left us on port 67, and nothing but ACKs on port 4011', () => {
    const ours = sentByUs(0);
    const on = (port: number) => ours.filter(({ fromPort }) => fromPort === port);
    assert.ok(on(67).length > 0 && on(4011).length > 0);
    assert.equal(on(67).length + on(4011).length, ours.length);
    assert.deepEqual(
      on(67).filter(({ type, packet }) => type !== 'offer' || packet.yiaddr !== '0.0.0.0'),
      [],
    );
    assert.deepEqual(
      on(4011).filter(({ type, packet }) => type !== 'ack' || packet.yiaddr !== '0.0.0.0'),
      [],
    );
    // an answer to a REQUEST would be no offer, and would have a number under which nobody had discovered
    const discovers = new Set(
      capture
        .messages()
        .filter(({ toPort, type }) => toPort === 67 && type === 'discover')
        .map(({ packet, client }) => `${client} ${packet.xid}`),
    );
    assert.ok(on(67).every(({ packet, client }) => discovers.has(`${client} ${packet.xid}`)));
  });

  test('no lease of ours was made, and the foreign server kept every address that it gave', async () => {
    assert.deepEqual(await appliance.get('/api/v1/leases'), []);
    const refused = capture.messages().filter(({ type }) => type === 'nak' || type === 'decline');
    assert.deepEqual(refused.map(describeMessage), []);
  });

  test('tshark finds no fault in anything that we sent', async () => {
    await capture.stop();
    const ours = sentByUs(0)[0] as SeenMessage;
    await capture.assertWellFormed(ours.fromMac);
  });

  test('beside a DHCP server on this very host, which has port 67, firmware that it sends to port 4011 boots from us', async () => {
    await server.stop('SIGTERM');
    await appliance.kill();
    capture = await Capture.open(
      rack.namespace,
      'rack0',
      join(network.folder, 'same-host.pcap'),
      'udp port 67 or 4011',
    );
    const here = { ...foreign, namespace: rack.namespace, card: 'rack0', first: '10.77.0.240', last: '10.77.0.249' };
    server = await startDnsmasq(here, ['--dhcp-option-force=60,PXEClient']);
    await appliance.start();
    assert.match(appliance.log, /port is taken by dnsmasq .*; boot clients are answered on port 4011 only/);
    await bootsTheScout('vm-02');
    assert.ok(of('vm-02', 0).some(({ type, packet }) => type === 'ack' && packet.yiaddr.startsWith('10.77.0.24')));
    assert.ok(of('vm-02', 0).some(({ type, fromPort }) => type === 'ack' && fromPort === 4011));
  });

  async function bootsTheScout(name: MachineName): Promise<void> {
    const { job } = await appliance.request<{ job: { id: number } }>('POST', `/api/v1/machines/${name}/discover`, {});
    const end = await appliance.jobEnd(job.id, 400).catch(withStory(name));
    assert.deepEqual([end.state, end.why], ['done', ''], await appliance.story(name));
  }

  function withStory(name: string) {
    return async (error: Error): Promise<never> => {
      throw new Error(`${error.message}\n${await appliance.story(name)}\n${appliance.log}`);
    };
  }

  /** The address that the foreign server gave this machine, which it used. */
  function assertForeignAddress(name: MachineName, since: number): string {
    const given = of(name, since).filter(({ type, from }) => type === 'ack' && from === FOREIGN);
    const address = given.at(-1)?.packet.yiaddr;
    assert.ok(address, `${name} got no address:\n${of(name, since).map(describeMessage).join('\n')}`);
    return address;
  }

  function of(name: MachineName, since: number): SeenMessage[] {
    const { mac } = rack.machine(name);
    return capture
      .messages()
      .slice(since)
      .filter(({ client }) => client === mac);
  }

  function sentByUs(since: number): SeenMessage[] {
    return capture
      .messages()
      .slice(since)
      .filter(({ from, packet }) => from === OURS && packet.op === 'reply');
  }
});
