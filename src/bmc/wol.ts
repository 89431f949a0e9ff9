import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Mac, macToBytes, parseMac } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import { createInTurn } from './in-turn.ts';
import { describeSocketError } from './link.ts';

/** The port of discard, which is what magic packets are sent to by custom; a card looks at any. */
const DISCARD_PORT = 9;
/** Nobody answers a magic packet, so a lost one would be missed by nobody. */
const SENDS = 3;
const BETWEEN_MS = 100;

/**
 * What is wrong with the settings, as sentences: `mac` is the machine's card, `broadcast` the broadcast address of its
 * network (the target's address without it). The password, if there is one, is the card's SecureOn password: six bytes
 * written as a MAC address is.
 */
export function checkWolSettings({ address, password, settings = {} }: BmcTarget): string[] {
  const problems: string[] = [];
  if (!settings.mac) problems.push('there is no setting mac, the MAC address of the card that is to wake up');
  else if (!macOf(settings.mac)) problems.push(`the setting mac is "${settings.mac}", which is not a MAC address`);
  if (!settings.broadcast && address === '')
    problems.push('there is neither an address nor a setting broadcast, such as 10.77.0.255');
  if (settings.broadcast?.includes(':') || (!settings.broadcast && address.includes(':')))
    problems.push(`the packet cannot go to "${settings.broadcast || address}": only IPv4 has broadcasts`);
  if (password !== '' && !macOf(password))
    problems.push('the password is not a SecureOn password: six bytes such as 00:11:22:33:44:55');
  return problems;
}

function macOf(text: string): Mac | undefined {
  try {
    return parseMac(text);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** A magic packet: six bytes FFh, the MAC 16 times, and the SecureOn password if there is one (AMD publication 20213). */
export function encodeMagicPacket(mac: Mac, secureOn?: Buffer): Buffer {
  const address = macToBytes(mac);
  return Buffer.concat([
    Buffer.alloc(6, 0xff),
    ...Array.from({ length: 16 }, () => address),
    ...(secureOn ? [secureOn] : []),
  ]);
}

/**
 * A driver that can wake a machine and nothing else. Settings that checkWolSettings refuses are a BmcError `unsupported`. It
 * sends to the target's port, or to port 9 when that is 0.
 */
export function openWol(target: BmcTarget): BmcDriver {
  const { settings = {}, password } = target;
  const place = { address: settings.broadcast || target.address, port: target.port || DISCARD_PORT };
  const [problem] = checkWolSettings(target);
  if (problem)
    throw new BmcError('unsupported', place, `cannot be used: ${problem}`, 'Correct the settings of this BMC');
  const secureOn = password === '' ? undefined : macToBytes(parseMac(password));
  const packet = encodeMagicPacket(parseMac(settings.mac ?? ''), secureOn);
  const inTurn = createInTurn(place);

  const cannot = (what: string) => () =>
    inTurn.call((): never => {
      throw new BmcError('unsupported', place, `cannot ${what}: Wake-on-LAN only switches on`);
    });

  return {
    isUnheard: true,
    powerState: cannot('tell the power state'),
    setPower: (action) =>
      action === 'on' ? inTurn.call(() => broadcast(packet, place)) : cannot(`be told "${action}"`)(),
    setBoot: cannot('set the boot device'),
    boot: cannot('tell what the next boot will be'),
    identity: cannot('say what it is'),
    close: inTurn.close,
  };
}

async function broadcast(packet: Buffer, place: { address: string; port: number }): Promise<void> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => socket.on('error', reject).bind(0, resolve));
    socket.setBroadcast(true);
    for (let sent = 0; sent < SENDS; sent++) {
      if (sent > 0) await sleep(BETWEEN_MS);
      await new Promise<void>((resolve, reject) =>
        socket.send(packet, place.port, place.address, (error) => (error ? reject(error) : resolve())),
      );
    }
  } catch (error) {
    throw new BmcError('unreachable', place, describeSocketError(error as Error), 'Check the setting broadcast');
  } finally {
    socket.close();
  }
}
