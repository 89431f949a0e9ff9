import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePackets } from '../../bench/bmc-packets.ts';

/** Of Linux 6.1, some columns left out. */
const SNMP = `Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 901
Tcp: RtoAlgorithm MaxConn ActiveOpens InSegs OutSegs RetransSegs
Tcp: 1 -1 12 340 360 5
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
Udp: 5000 7 0 5003 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors
UdpLite: 1 1 1 1 1
`;

test('counts datagrams and segments, both ways', () => {
  assert.deepEqual(parsePackets(SNMP), { udp: 10_003, tcp: 700 });
});

test('says which counter is not there', () => {
  assert.throws(
    () => parsePackets(SNMP.replace('OutSegs', 'Segs')),
    /^BenchError: \/proc\/net\/snmp has no Tcp OutSegs$/,
  );
  assert.throws(() => parsePackets(''), /has no Udp InDatagrams/);
});
