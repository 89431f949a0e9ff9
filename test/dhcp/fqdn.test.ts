import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withHarness } from '../harness.ts';

const FQDN = 81;

/** What a client says, and the answer: RFC 4702 2.1. S is 1, O is 2, E is 4, N is 8; 255 twice are the dead result codes. */
const ANSWERS: [string, string, string | undefined][] = [
  ['wants us to update DNS: overridden', '050000026d3100', '0effff026d3100'],
  ['updates DNS itself', '040000026d3100', '0cffff026d3100'],
  ['wants no update', '0c0000026d31', '0cffff026d31'],
  ['sends plain text', '0000006d312e72', '08ffff6d312e72'],
  ['has a dot for a label, which no text can say', '040000012e00', undefined],
  ['sends no name', '040000', '0cffff05766d2d3031'],
  ['sends no name as plain text', '000000', '08ffff766d2d3031'],
  ['is too short', '0400', undefined],
  ['has a label that runs past the end', '0400003f6d31', undefined],
  ['points back into the name', '040000c003', undefined],
];

for (const [what, said, answer] of ANSWERS)
  test(`a client whose full name ${what} is told ${answer ?? 'nothing of it'}`, () =>
    withHarness({}, async (harness) => {
      harness.addMachine('vm-01');
      const reply = await harness.ask({ type: 'discover', options: [[FQDN, Buffer.from(said, 'hex')]], wants: [FQDN] });
      assert.equal(reply?.options.get(FQDN)?.toString('hex'), answer);
    }));
