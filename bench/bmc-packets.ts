import { readFileSync } from 'node:fs';
import { BenchError } from './error.ts';

/** What this network namespace received and sent since it is there; `tcp` counts segments. */
export type Packets = { udp: number; tcp: number };

export function readPackets(): Packets {
  return parsePackets(readFileSync('/proc/self/net/snmp', 'utf8'));
}

/** proc(5), /proc/net/snmp: for each protocol a line of names and one of numbers (RFC 4113 and RFC 4022). */
export function parsePackets(snmp: string): Packets {
  return {
    udp: counterOf(snmp, 'Udp', 'InDatagrams') + counterOf(snmp, 'Udp', 'OutDatagrams'),
    tcp: counterOf(snmp, 'Tcp', 'InSegs') + counterOf(snmp, 'Tcp', 'OutSegs'),
  };
}

function counterOf(snmp: string, protocol: string, name: string): number {
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith(`${protocol}: `))
    .map((line) => line.split(' '));
  const value = Number(values?.[names?.indexOf(name) ?? -1]);
  if (!Number.isInteger(value)) throw new BenchError(`/proc/net/snmp has no ${protocol} ${name}`);
  return value;
}
