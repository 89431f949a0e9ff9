import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LOADERS } from '../../src/boot/loaders.ts';
import { type BootPath, bootUrl, formatBootPath, parseBootPath } from '../../src/boot/paths.ts';
import { macFromBytes } from '../../src/wire/address.ts';
import { MAC } from '../harness.ts';

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(Buffer.from(bytes)));
// the words that the schema of a bootenv allows
const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/);
const file = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
const path: fc.Arbitrary<BootPath> = fc.oneof(
  fc.record({ kind: fc.constant('loader' as const), mac, file: fc.constantFrom(...LOADERS.map((one) => one.file)) }),
  fc.record({ kind: fc.constant('local' as const), mac }),
  fc.record({ kind: fc.constant('script' as const), mac }),
  fc.constant({ kind: 'script' as const }),
  fc.record({ kind: fc.constant('asset' as const), mac, bootenv: word, file }),
);

test('every name that is made is parsed to what it was made of', () => {
  fc.assert(fc.property(path, (made) => assert.deepEqual(parseBootPath(formatBootPath(made)), { ...made })));
});

test('a name is the same with any slashes, and in a URL', () => {
  fc.assert(
    fc.property(path, fc.constantFrom('/', '//', '\\', '\\\\'), (made, slash) => {
      const name = `${slash}${formatBootPath(made).replaceAll('/', slash)}`;
      assert.deepEqual(parseBootPath(name), { ...made });
      assert.deepEqual(parseBootPath(new URL(bootUrl('http://10.77.0.1', made)).pathname), { ...made });
    }),
  );
});

test('any text is parsed or is no name, and what is parsed has a MAC and no way out of its folder', () => {
  const piece = fc.oneof(
    fc.constantFrom('b', 'a', '..', '.', '', 'boot.ipxe', '52-54-00-aa-bb-01', 'local-boot.efi', 'scout', '\0', '%2e'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 7 }), (pieces) => {
      const parsed = parseBootPath(pieces.join('/'));
      if (!parsed) return;
      assert.doesNotMatch(formatBootPath(parsed), /(^|\/)\.{1,2}(\/|$)|\0|\\/);
    }),
    { numRuns: 2000 },
  );
});

/** A name, what it means, and the quirk of the loader that asks for it. */
const NAMES: [string, BootPath | undefined, string?][] = [
  ['b/52-54-00-aa-bb-01/boot.ipxe', { kind: 'script', mac: MAC }],
  ['b/52-54-00-AA-BB-01/boot.ipxe', { kind: 'script', mac: MAC }],
  ['b/52-54-00-aa-bb-01/autoexec.ipxe', { kind: 'script', mac: MAC }, 'Q28'],
  ['autoexec.ipxe', { kind: 'script' }, 'Q28'],
  ['AUTOEXEC.IPXE', { kind: 'script' }, 'Q26'],
  ['\\B\\52-54-00-AA-BB-01\\Snponly.EFI', { kind: 'loader', mac: MAC, file: 'snponly.efi' }, 'Q26'],
  ['\\B\\52-54-00-AA-BB-01\\BOOT.IPXE', { kind: 'script', mac: MAC }, 'Q26'],
  ['\\B\\52-54-00-AA-BB-01\\Local-Boot.EFI', { kind: 'local', mac: MAC }, 'Q26'],
  ['B/52-54-00-aa-bb-01/A/scout/vmlinuz', { kind: 'asset', mac: MAC, bootenv: 'scout', file: 'vmlinuz' }, 'Q26'],
  ['\\Boot\\BCD', undefined, 'Q26'],
  ['b/52-54-00-aa-bb-01/a/scout/vmlinuz', { kind: 'asset', mac: MAC, bootenv: 'scout', file: 'vmlinuz' }],
  ['', undefined],
  ['/', undefined],
  ['b', undefined],
  ['b/52-54-00-aa-bb-01', undefined],
  ['b/52-54-00-aa-bb-01/', undefined],
  ['b/52:54:00:aa:bb:01/boot.ipxe', undefined],
  ['b/525400aabb01/boot.ipxe', undefined],
  ['b/52-54-00-aa-bb-0g/boot.ipxe', undefined],
  ['b/52-54-00-aa-bb-01/grub.cfg', undefined],
  ['b/52-54-00-aa-bb-01/boot.ipxe/x', undefined],
  ['b/52-54-00-aa-bb-01/a/scout', undefined],
  ['b/52-54-00-aa-bb-01/a/scout/x/y', undefined],
  ['b/52-54-00-aa-bb-01/a/../../secret.key', undefined],
  ['b/52-54-00-aa-bb-01/../52-54-00-aa-bb-02/boot.ipxe', undefined],
  ['b/52-54-00-aa-bb-01/a/scout/..', undefined],
  ['b\\52-54-00-aa-bb-01\\a\\scout\\..\\..\\x', undefined],
  ['b/52-54-00-aa-bb-01/a/scout/vm\0linuz', undefined],
  ['../b/52-54-00-aa-bb-01/boot.ipxe', undefined],
  ['/etc/passwd', undefined],
  ['run/TOKEN/file/preseed.cfg', undefined],
  ['x/autoexec.ipxe', undefined],
  ['9ffefdef/config.txt', undefined, 'Q20'],
  ['dc-a6-32-01-02-03/start4.elf', undefined, 'Q20'],
  ['b/52-54-00-aa-bb-01/revocations.efi', undefined, 'Q24'],
  ['b/52-54-00-aa-bb-01/shim_certificate_1.efi', undefined, 'Q24'],
  ['b/52-54-00-aa-bb-01/grubx64.efi', undefined, 'Q24'],
];
for (const [name, expected, quirk] of NAMES)
  test(`${quirk ? `${quirk} ` : ''}${JSON.stringify(name)} is ${expected ? `a name: ${expected.kind}` : 'no name of ours'}`, () => {
    assert.deepEqual(parseBootPath(name), expected);
  });
