import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import type { BmcTarget } from '../../src/bmc/driver.ts';
import { checkWolSettings, encodeMagicPacket, openWol } from '../../src/bmc/wol.ts';
import { parseMac } from '../../src/wire/address.ts';

const MAC = '52:54:00:aa:bb:01';
const target = (more: Partial<BmcTarget> = {}): BmcTarget => ({
  driver: 'wol',
  address: '',
  port: 9,
  user: '',
  password: '',
  settings: { mac: MAC, broadcast: '127.255.255.255' },
  ...more,
});

/** Hears what is broadcast on the loopback interface while `act` runs. */
async function hear(act: (port: number) => Promise<void>): Promise<Buffer[]> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', resolve));
    const heard: Buffer[] = [];
    const three = new Promise<void>((resolve) =>
      socket.on('message', (datagram) => {
        if (heard.push(datagram) === 3) resolve();
      }),
    );
    await act(socket.address().port);
    await three;
    return heard;
  } finally {
    socket.close();
  }
}

test('broadcasts the magic packet of the card three times', async () => {
  const heard = await hear((port) => openWol(target({ port })).setPower('on'));
  const packet = `${'ff'.repeat(6)}${'525400aabb01'.repeat(16)}`;
  assert.deepEqual(
    heard.map((datagram) => datagram.toString('hex')),
    [packet, packet, packet],
  );
  assert.equal(heard[0]?.length, 102);
});

test('puts the SecureOn password behind it, and sends to the address where there is no broadcast', async () => {
  const settings = { mac: '5254.00AA.BB01' };
  const heard = await hear((port) =>
    openWol(target({ port, address: '127.0.0.1', password: '00-11-22-33-44-55', settings })).setPower('on'),
  );
  assert.equal(heard[2]?.toString('hex'), `${encodeMagicPacket(parseMac(MAC)).toString('hex')}001122334455`);
});

test('can do nothing but switch on, and says so', async () => {
  const driver = openWol(target());
  const calls = {
    off: () => driver.setPower('off'),
    cycle: () => driver.setPower('cycle'),
    reset: () => driver.setPower('reset'),
    soft: () => driver.setPower('soft'),
    powerState: () => driver.powerState(),
    setBoot: () => driver.setBoot({ device: 'disk', firmware: 'uefi', isPersistent: false }),
    boot: () => driver.boot(),
    identity: () => driver.identity(),
  };
  for (const [name, call] of Object.entries(calls))
    await assert.rejects(call(), { kind: 'unsupported', text: /Wake-on-LAN only switches on\. [A-Z]/ }, name);
  await driver.close();
  await assert.rejects(driver.setPower('on'), { kind: 'refused' });
});

test('says that the packet could not leave', async () => {
  const settings = { mac: MAC, broadcast: 'no-such-network.invalid' };
  await assert.rejects(openWol(target({ settings })).setPower('on'), {
    kind: 'unreachable',
    text: /^BMC no-such-network\.invalid port 9 cannot be found.+Check the setting broadcast\.$/,
  });
});

for (const [what, wrong, problem] of [
  ['no card', { settings: { broadcast: '10.0.0.255' } }, /no setting mac/],
  ['a card that is none', { settings: { mac: '52:54', broadcast: 'x' } }, /^the setting mac is "52:54", which is not/],
  ['nowhere to send to', { settings: { mac: MAC } }, /neither an address nor a setting broadcast/],
  ['IPv6', { address: 'fe80::1', settings: { mac: MAC } }, /"fe80::1": only IPv4/],
  ['a SecureOn password of another length', { password: 'tops3cret' }, /^the password is not a SecureOn password/],
] as const)
  test(`refuses ${what}`, () => {
    const given = target(wrong);
    const problems = checkWolSettings(given);
    assert.equal(problems.length, 1, String(problems));
    assert.match(problems[0] as string, problem);
    assert.throws(() => openWol(given), { kind: 'unsupported', text: /cannot be used: / });
    assert.ok(!problems.join().includes('tops3cret'));
  });
