import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BootWish } from '../../src/bmc/driver.ts';
import { openBmc } from '../../src/bmc/index.ts';
import { bootSteps, chooseBootFlags, readSetting } from '../../src/bmc/ipmi-boot.ts';
import { chooseQuirks, habitsOf, IPMI_QUIRKS, MAKER, QuirkNotes } from '../../src/bmc/ipmi-quirks.ts';
import { startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { decodeBootFlags, encodeBootFlags } from '../../src/wire/ipmi-boot.ts';

const target = { driver: 'ipmi', address: '10.0.0.9', port: 623, user: 'admin', password: 's3cret' } as const;
const device = (manufacturer: number, product = 1) => ({ manufacturer, product });
const habits = (of: ReturnType<typeof device>, setting?: string) => habitsOf(chooseQuirks(of, setting, target));
const usual = habits(device(0));
const supermicro = habits(device(MAKER.supermicro));

test('every quirk of the study has its row, with what is done about it and where it was seen', () => {
  const ids = IPMI_QUIRKS.map(({ id }) => id);
  assert.deepEqual(
    ids,
    Array.from({ length: 16 }, (_, index) => `B${index + 1}`),
  );
  for (const row of IPMI_QUIRKS) {
    for (const part of [row.who, row.what, row.effect, row.source]) assert.ok(part.length > 3, row.id);
  }
});

test('a quirk is in force for its makers, and where a setting says so', () => {
  assert.deepEqual(usual, { uefiDiskSelector: 2, marksValid: true });
  assert.deepEqual(supermicro, { uefiDiskSelector: 9, marksValid: true });
  assert.deepEqual(habits(device(0), 'B5'), { uefiDiskSelector: 9, marksValid: true });
  assert.deepEqual(habits(device(MAKER.supermicro), '-B5, B16'), { uefiDiskSelector: 2, marksValid: false });
  assert.equal(habits(device(0x1291, 0x0f02)).marksValid, false);
  assert.equal(habits(device(0x1291, 0x0f03)).marksValid, true);
  assert.throws(() => habits(device(0), 'B5 R3'), {
    kind: 'refused',
    text: 'BMC 10.0.0.9 port 623 has the quirk R3 in its settings, which is none of IPMI. Name quirks B1 to B16 in its setting "quirks".',
  });
  assert.throws(() => openBmc({ ...target, settings: { quirks: 'B17' } }), /has the quirk B17 in its settings/);
});

test('a quirk that was met is told once', () => {
  const notes = new QuirkNotes();
  notes.add('B8', 'it is busy');
  notes.add('B1', 'forgets');
  notes.add('B8', 'it is busy again');
  assert.deepEqual(notes.list(), [
    { id: 'B8', text: 'it is busy' },
    { id: 'B1', text: 'forgets' },
  ]);
});

/** The first two bytes of the flags of each wish: usual BMCs, and Supermicro where it differs. */
const WISHES: [BootWish, string, string?][] = [
  [{ device: 'network', firmware: 'uefi', isPersistent: false }, 'a004'],
  [{ device: 'network', firmware: 'bios', isPersistent: false }, '8004'],
  [{ device: 'network', firmware: 'uefi', isPersistent: true }, 'e004'],
  [{ device: 'network', firmware: 'bios', isPersistent: true }, 'c004'],
  [{ device: 'disk', firmware: 'uefi', isPersistent: false }, 'a008', 'a024'],
  [{ device: 'disk', firmware: 'bios', isPersistent: false }, '8008'],
  [{ device: 'disk', firmware: 'uefi', isPersistent: true }, 'e008', 'e024'],
  [{ device: 'disk', firmware: 'bios', isPersistent: true }, 'c008'],
  [{ device: 'cd', firmware: 'uefi', isPersistent: false }, 'a014'],
  [{ device: 'cd', firmware: 'bios', isPersistent: true }, 'c014'],
  [{ device: 'setup', firmware: 'uefi', isPersistent: false }, 'a018'],
  [{ device: 'setup', firmware: 'bios', isPersistent: false }, '8018'],
];

test('every wish has its boot flags, and they are read as the same wish', () => {
  for (const [wish, bytes, atSupermicro = bytes] of WISHES) {
    for (const [habits, wanted] of [
      [usual, bytes],
      [supermicro, atSupermicro],
    ] as const) {
      const flags = chooseBootFlags(wish, habits)!;
      assert.equal(encodeBootFlags(flags).toString('hex'), `${wanted}000000`);
      assert.deepEqual(bootSteps(flags)[3]?.data, encodeBootFlags(flags));
      assert.deepEqual(readSetting(flags, habits), wish);
    }
  }
});

test('flags that are not valid are none (B6), and a device that nobody asks for is another', () => {
  const read = (hex: string, habits = usual) => readSetting(decodeBootFlags(Buffer.from(hex, 'hex')), habits);
  assert.deepEqual(read('2004000000'), { device: 'none', isPersistent: false });
  assert.deepEqual(read('8000000000'), { device: 'none', isPersistent: false });
  assert.deepEqual(read('803c000000'), { device: 'other', firmware: 'bios', isPersistent: false });
  assert.deepEqual(read('a024000000'), { device: 'other', firmware: 'uefi', isPersistent: false });
  assert.deepEqual(read('0004000000', { ...usual, marksValid: false }), { device: 'network', isPersistent: false });
});

test('writes the disk of Supermicro in UEFI mode as 24h, because the BMC says whose it is (B5)', async () => {
  const wish = { device: 'disk', firmware: 'uefi', isPersistent: false } as const;
  for (const [manufacturer, quirks, flags, inForce] of [
    [MAKER.supermicro, undefined, 'a024000000', ['B5']],
    [MAKER.dell, undefined, 'a008000000', []],
    [MAKER.dell, 'B5 B2', 'a024000000', ['B5']],
    [MAKER.supermicro, '-B5', 'a008000000', []],
  ] as const) {
    const bmc = await startIpmiBmc({ device: { manufacturer } });
    try {
      const settings: Record<string, string> = quirks === undefined ? {} : { quirks };
      const driver = openBmc({ ...target, address: '127.0.0.1', port: bmc.port, settings });
      await driver.setBoot(wish);
      assert.equal(bmc.machine.flags.toString('hex'), flags);
      assert.deepEqual(await driver.boot(), wish);
      const met = (driver.quirks?.() ?? []).map(({ id }) => id);
      assert.deepEqual(met, inForce, 'what is in force is told');
      await assert.rejects(driver.setBoot({ ...wish, device: 'http' }), {
        kind: 'unsupported',
        text: /cannot be told to boot by HTTP: IPMI has no word for it\. Use Redfish/,
      });
    } finally {
      await bmc.stop();
    }
  }
});
