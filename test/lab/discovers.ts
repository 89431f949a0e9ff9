import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What tcpdump read in one DHCPDISCOVER. */
export type SeenDiscover = { mac: string; architecture: number; vendorClass: string };

/** Listens on a bridge of a rack until `close`; `seen` grows. */
export async function listenForDiscovers(namespace: string, bridge: string) {
  const tcpdump = spawn(
    'nsenter',
    [`--net=/run/netns/${namespace}`, 'tcpdump', '-l', '-n', '-vvv', '-i', bridge, 'udp dst port 67'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let text = '';
  tcpdump.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const gone = once(tcpdump, 'exit');
  await once(tcpdump.stderr, 'data');
  return {
    seen: () => text.split(/^(?=\d\d:\d\d:\d\d\.)/m).flatMap(readDiscover),
    close: async () => {
      tcpdump.kill('SIGKILL');
      await gone;
    },
  };
}

function readDiscover(packet: string): SeenDiscover[] {
  const mac = /Client-Ethernet-Address (\S+)/.exec(packet)?.[1];
  const architecture = /ARCH \(93\), length 2: (\d+)/.exec(packet)?.[1];
  const vendorClass = /Vendor-Class \(60\), length \d+: "([^"]*)"/.exec(packet)?.[1];
  if (!packet.includes('DHCP-Message (53), length 1: Discover') || !mac) return [];
  return [{ mac, architecture: Number(architecture ?? -1), vendorClass: vendorClass ?? '' }];
}
