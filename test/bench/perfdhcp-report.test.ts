import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropOf, parsePerfdhcpReport } from '../../bench/perfdhcp-report.ts';

/** perfdhcp 2.2.0 against dnsmasq 2.90, which could not keep up: perfdhcp -4 -l 10.99.0.2 -r 4000 -R 60000 -p 1 -W 500000 10.99.0.1 */
const OVERLOADED = `Running: perfdhcp -4 -b mac=52:54:00:00:00:00 -l 10.99.0.2 -r 4000 -R 60000 -p 1 -W 500000 10.99.0.1
Scenario: basic.
Multi-thread mode enabled.
***Rate statistics***
Rate: 556.448 4-way exchanges/second, expected rate: 4000

***Malformed Packets***
Malformed packets: 0
***Statistics for: DISCOVER-OFFER***
sent packets: 3996
received packets: 1202
drops: 2794
drops ratio: 69.9199 %
orphans: 0
rejected leases: 0
non unique addresses: 0

min delay: 0.519 ms
avg delay: 79.433 ms
max delay: 179.429 ms
std deviation: 39.199 ms
collected packets: 0

***Statistics for: REQUEST-ACK***
sent packets: 1202
received packets: 836
drops: 366
drops ratio: 30.449 %
orphans: 0
rejected leases: 0
non unique addresses: 0

min delay: 1.201 ms
avg delay: 72.529 ms
max delay: 179.399 ms
std deviation: 33.879 ms
collected packets: 0

`;

/** The same where nobody answers. */
const NOBODY = `Running: perfdhcp -4 -l 10.99.0.2 -r 50 -R 60000 -p 1 -W 300000 10.99.0.1
Scenario: basic.
Multi-thread mode enabled.
***Rate statistics***
Rate: 0 4-way exchanges/second, expected rate: 50

***Malformed Packets***
Malformed packets: 0
***Statistics for: DISCOVER-OFFER***
sent packets: 49
received packets: 0
drops: 49
drops ratio: 100 %
orphans: 0
rejected leases: 0
non unique addresses: 0

min delay: inf ms
avg delay: min delay: n/a
avg delay: n/a
max delay: n/a
std deviation: n/a
collected packets: 0

***Statistics for: REQUEST-ACK***
sent packets: 0
received packets: 0
drops: 0
drops ratio: -nan %
orphans: 0
rejected leases: 0
non unique addresses: 0

min delay: inf ms
avg delay: min delay: n/a
avg delay: n/a
max delay: n/a
std deviation: n/a
collected packets: 0

`;

test('reads what was sent, received and how long it took, for both halves of the exchange', () => {
  assert.deepEqual(parsePerfdhcpReport(OVERLOADED), {
    discover: { sent: 3996, received: 1202, delay: { min: 0.519, average: 79.433, max: 179.429 } },
    request: { sent: 1202, received: 836, delay: { min: 1.201, average: 72.529, max: 179.399 } },
  });
});

test('a server that answers nothing has no delays, and everything is dropped', () => {
  const report = parsePerfdhcpReport(NOBODY);
  assert.deepEqual(report, { discover: { sent: 49, received: 0 }, request: { sent: 0, received: 0 } });
  assert.equal(dropOf(report.discover), 1);
  assert.equal(dropOf(report.request), 1);
});

test('the drop is the share of what was sent', () => {
  const { discover, request } = parsePerfdhcpReport(OVERLOADED);
  assert.equal(dropOf(discover).toFixed(6), '0.699199');
  assert.equal(dropOf(request).toFixed(5), '0.30449');
});

test('output that is no report is refused with what perfdhcp said', () => {
  assert.throws(() => parsePerfdhcpReport('could not bind to 10.99.0.2: Address already in use\n'), {
    name: 'BenchError',
    message: 'perfdhcp reported no DISCOVER-OFFER: could not bind to 10.99.0.2: Address already in use',
  });
});

test('a report that was cut off is refused with the half that is missing', () => {
  const cut = OVERLOADED.slice(0, OVERLOADED.indexOf('***Statistics for: REQUEST-ACK'));
  assert.throws(() => parsePerfdhcpReport(cut), /^BenchError: perfdhcp reported no REQUEST-ACK/);
});

test('a number that is none is refused with its name', () => {
  assert.throws(() => parsePerfdhcpReport(OVERLOADED.replace('sent packets: 1202', 'sent packets: -nan')), {
    message: "perfdhcp reported REQUEST-ACK with 'sent packets' -nan",
  });
});
