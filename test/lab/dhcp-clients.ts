/**
 * DHCP clients that people run, each configuring the card of a host as it would on a machine: what a client has got is what the
 * kernel says of that card (`addressOf`), and what it said and heard is in a capture.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './rig.ts';
import { logged, type Program, type TestNetwork } from './wires.ts';

export type Place = { network: TestNetwork; host: string; card: string };

/** A client that was started. Its memory of leases is on disk, for the next one that is started for the same card. */
export type DhcpClient = {
  program: Program;
  /** Ends it as a power cut would: nobody is told, and the card has no address any more. */
  cut(): Promise<void>;
  /** Ends it with its address given back to the server. */
  release(): Promise<void>;
};

export type ClientOptions = {
  /** Words for its command line. */
  words?: readonly string[];
  /** It asks the wire before it uses an address, and declines one that is in use. dhcpcd always does. */
  declines?: boolean;
};

/** busybox's. SIGUSR1 renews, SIGUSR2 releases. */
export function startUdhcpc(place: Place, options: ClientOptions = {}): DhcpClient {
  const script = write(
    place,
    'udhcpc.sh',
    `#!/bin/sh
case $1 in
deconfig) ip address flush dev "$interface" ;;
bound | renew)
  ip address replace "$ip/$mask" dev "$interface"
  [ -z "$router" ] || ip route replace default via "$router" dev "$interface"
  ;;
esac
`,
  );
  const asks = options.declines ? ['-a500'] : [];
  // it asks for ever, once a second, so that it is not the server's slowness that is tested
  const words = [
    '-i',
    place.card,
    '-f',
    '-t',
    '5',
    '-T',
    '1',
    '-A',
    '1',
    '-s',
    script,
    ...asks,
    ...(options.words ?? []),
  ];
  const program = place.network.start(place.host, 'udhcpc', words);
  return {
    program,
    cut: () => cut(place, program),
    async release() {
      program.signal('SIGUSR2');
      await withoutAddress(place);
      await program.stop();
    },
  };
}

/** ISC's. It renews by itself a few seconds after it has got a lease and rebinds some seconds later. */
export function startDhclient(place: Place, options: ClientOptions = {}): DhcpClient {
  const { network, host, card } = place;
  const config = write(
    place,
    'dhclient.conf',
    `supersede dhcp-renewal-time 6;
supersede dhcp-rebinding-time 12;
initial-interval 1;
backoff-cutoff 2;
reboot 20;
retry 1;
`,
  );
  // dhclient declines when its script does not want the address
  const ask = options.declines ? 'arping -q -D -c 2 -w 2 -I "$interface" "$new_ip_address" || exit 1' : '';
  const script = write(
    place,
    'dhclient.sh',
    `#!/bin/sh
case $reason in
PREINIT) ip link set "$interface" up ;;
BOUND | REBOOT | RENEW | REBIND)
  ${ask}
  ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
  [ -z "$new_routers" ] || ip route replace default via "$new_routers" dev "$interface"
  ;;
EXPIRE | FAIL | RELEASE | STOP) ip address flush dev "$interface" ;;
esac
exit 0
`,
  );
  const leases = write(place, 'dhclient.leases');
  const files = ['-cf', config, '-sf', script, '-lf', leases, '-pf', join(network.folder, `${host}-${card}.pid`)];
  const program = network.start(host, 'dhclient', ['-d', '-v', ...files, ...(options.words ?? []), card]);
  // its script sets the address before it writes the lease down, and says this when it has done both
  const isWritten = () => logged(program, /^bound to/m);
  return {
    program,
    async cut() {
      await isWritten();
      await cut(place, program);
    },
    async release() {
      await isWritten();
      await program.stop();
      await network.run(host, 'dhclient', ['-r', '-v', ...files, card]);
    },
  };
}

/** Roy Marples's, with a DUID for its client identifier. SIGUSR1 renews, SIGHUP asks for its address as after a reboot. */
export function startDhcpcd(place: Place, options: ClientOptions = {}): DhcpClient {
  const { card } = place;
  const config = write(place, 'dhcpcd.conf', 'duid\nipv4only\nnoipv4ll\nscript /bin/true\n');
  const memory = folder(place, 'dhcpcd');
  // it knows one folder of leases and one of processes for the whole machine
  const program = inOwnFolders(
    place,
    [`mkdir /run/dhcpcd`, `mount --bind ${memory} /var/lib/dhcpcd`],
    ['dhcpcd', '-B', '-d', '-f', config, ...(options.words ?? []), card],
  );
  return {
    program,
    cut: () => cut(place, program),
    async release() {
      program.signal('SIGALRM');
      await until('dhcpcd ends', 20, async () => program.hasEnded() || undefined);
    },
  };
}

/**
 * systemd's, without udev and D-Bus: it takes interfaces as they are where /sys cannot be written. Of an address that is in use
 * it tells nobody: it declines from that address, which it has not set (seen with 252).
 */
export function startNetworkd(place: Place, options: ClientOptions = {}): DhcpClient {
  const { card } = place;
  const settings = write(
    place,
    'networkd.network',
    `[Match]
Name=${card}
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
[DHCPv4]
SendRelease=yes
`,
  );
  const program = inOwnFolders(
    place,
    [
      'mkdir -p /run/systemd/network /run/systemd/netif',
      'chown systemd-network:systemd-network /run/systemd/netif',
      `cp ${settings} /run/systemd/network/10-wire.network`,
      'mount -t sysfs -o ro none /sys',
    ],
    ['/lib/systemd/systemd-networkd', ...(options.words ?? [])],
  );
  return {
    program,
    cut: () => cut(place, program),
    async release() {
      await program.stop('SIGTERM');
      flush(place);
    },
  };
}

/** The IPv4 address that the kernel has on the card, without its prefix. */
export function addressOf({ network, host, card }: Place): string | undefined {
  const rows = JSON.parse(network.ip(host, '-j', '-4', 'address', 'show', 'dev', card)) as {
    addr_info?: { local: string }[];
  }[];
  return rows[0]?.addr_info?.[0]?.local;
}

/** Waits until the card has an address; what the client said is in the error when it gets none. */
export async function bound(place: Place, client: DhcpClient, seconds = 60): Promise<string> {
  return until(`an address on ${place.card} of ${place.host}`, seconds, async () => addressOf(place)).catch(
    (error: Error) => {
      throw new Error(`${error.message}\n${client.program.log()}`);
    },
  );
}

async function withoutAddress(place: Place): Promise<void> {
  await until(
    `no address on ${place.card} of ${place.host}`,
    20,
    async () => addressOf(place) === undefined || undefined,
  );
}

async function cut(place: Place, program: Program): Promise<void> {
  await program.stop();
  flush(place);
}

function flush({ network, host, card }: Place): void {
  network.ip(host, 'address', 'flush', 'dev', card);
}

/** Runs a program where /run is empty and its own; `first` are shell commands before it. */
function inOwnFolders({ network, host }: Place, first: readonly string[], command: readonly string[]): Program {
  const script = ['mount -t tmpfs none /run', ...first, `exec ${command.join(' ')}`].join(' && ');
  return network.start(host, 'unshare', ['-m', '--propagation', 'private', 'sh', '-c', script]);
}

/** A file of the card's; without a text it is made when it is not there. */
function write({ network, host, card }: Place, name: string, text?: string): string {
  const path = join(network.folder, `${host}-${card}-${name}`);
  writeFileSync(path, text ?? '', { flag: text === undefined ? 'a' : 'w', mode: 0o755 });
  return path;
}

function folder({ network, host, card }: Place, name: string): string {
  const path = join(network.folder, `${host}-${card}-${name}`);
  mkdirSync(path, { recursive: true });
  return path;
}

/** The client forgets every lease that it had. */
export function forgetLeases({ network, host, card }: Place): void {
  for (const name of ['dhclient.leases', 'dhcpcd'])
    rmSync(join(network.folder, `${host}-${card}-${name}`), { recursive: true, force: true });
}
