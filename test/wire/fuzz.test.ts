import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WireError } from '../../src/wire/bytes.ts';
import { dhcpOptions, getOption, type OptionName } from '../../src/wire/dhcp-options.ts';
import { decodeDhcp, encodeDhcp } from '../../src/wire/dhcp-packet.ts';
import { decodePxe } from '../../src/wire/pxe.ts';
import { decodeTftp, encodeTftp, negotiate } from '../../src/wire/tftp.ts';
import { describeOption } from './describe-option.ts';
import { mutate, seededRandom } from './mutate.ts';

// FUZZ_SEED=n repeats a run; the seed of a run is printed with its result.
const seed = Number(process.env.FUZZ_SEED ?? 20250101);
const rounds = 200_000;
const names = Object.keys(dhcpOptions) as OptionName[];

test(`${rounds} mutated DHCP packets give a packet or a WireError (FUZZ_SEED=${seed})`, () => {
  const folder = new URL('../fixtures/dhcp/', import.meta.url);
  const corpus = readdirSync(folder).map((name) =>
    Buffer.from(readFileSync(new URL(name, folder), 'utf8').trim(), 'hex'),
  );
  const random = seededRandom(seed);
  const seen = fuzz(corpus, random, decodeDhcp, (packet) => {
    const { bytes: again, dropped } = encodeDhcp(packet, { maxSize: 1472 });
    assert.ok(again.length <= 1472);
    if (dropped.length === 0) assert.equal(decodeDhcp(again).options.size, packet.options.size);
    getOption(packet, names[random(names.length)] as OptionName);
    for (const [code, value] of packet.options) if (random(8) === 0) describeOption(code, value);
    decodePxe(packet.options.get(43) ?? Buffer.alloc(0));
  });
  assert.ok(seen.accepted > rounds / 10 && seen.rejected > rounds / 10, 'both ends are reached');
});

test(`${rounds} mutated TFTP packets give a packet or a WireError (FUZZ_SEED=${seed})`, () => {
  const corpus = [
    '\0\x01b/52-54-00-aa-bb-01/ipxe.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0',
    '\0\x01undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0',
    '\0\x02x\0netascii\0timeout\x005\0',
    '\0\x03\0\x01some data',
    '\0\x04\xff\xff',
    '\0\x05\0\x08User aborted the transfer\0',
    '\0\x06blksize\x001468\0tsize\x00123456\0',
  ].map((text) => Buffer.from(text, 'latin1'));
  const seen = fuzz(corpus, seededRandom(seed), decodeTftp, (packet) => {
    encodeTftp(packet);
    if (packet.kind !== 'read') return;
    const { blockSize, windowSize } = negotiate(packet, { size: 1, maxBlockSize: 1468, maxWindow: 16 });
    assert.ok(blockSize >= 8 && blockSize <= 1468 && windowSize >= 1 && windowSize <= 16);
  });
  assert.ok(seen.accepted > rounds / 10 && seen.rejected > rounds / 10, 'both ends are reached');
});

/** Only decoding may refuse: what it lets through must be fit for every use. */
function fuzz<T>(corpus: Buffer[], random: (limit: number) => number, decode: (b: Buffer) => T, use: (p: T) => void) {
  const seen = { accepted: 0, rejected: 0 };
  for (let round = 0; round < rounds; round++) {
    const bytes = mutate(corpus[round % corpus.length] as Buffer, random);
    let decoded = false;
    try {
      const packet = decode(bytes);
      decoded = true;
      use(packet);
      seen.accepted++;
    } catch (error) {
      if (decoded || !(error instanceof WireError)) {
        throw new Error(`round ${round} of seed ${seed}, ${bytes.toString('hex')}`, { cause: error });
      }
      seen.rejected++;
    }
  }
  return seen;
}
