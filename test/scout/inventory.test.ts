import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FakeDisk, type FakeFiles, makeMachineTree, serialPage } from './machine-tree.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

function takeInventory(t: TestContext, files: FakeFiles, disks: FakeDisk[] = []) {
  const library = mkdtempSync(join(tmpdir(), 'scout-'));
  t.after(() => rmSync(library, { recursive: true }));
  copyFileSync(join(REPOSITORY, 'templates/partials/pick-disk.sh.hbs'), join(library, 'disks.sh'));
  const root = makeMachineTree(t, files, disks);
  const result = spawnSync('sh', [join(REPOSITORY, 'scout/inventory')], {
    env: { PATH: process.env.PATH, INVENTORY_ROOT: root, INVENTORY_LIB: library },
  });
  assert.equal(result.stderr.toString(), '');
  assert.ok(
    result.stdout.every((byte) => byte < 128),
    'the document is plain ASCII',
  );
  return JSON.parse(result.stdout.toString());
}

test('tells everything about a server, in the shape of the contract', (t) => {
  const inventory = takeInventory(
    t,
    {
      'sys/class/dmi/id/sys_vendor': 'Dell Inc.\n',
      'sys/class/dmi/id/product_name': 'PowerEdge R650  \n',
      'sys/class/dmi/id/product_serial': 'ABC1234\n',
      'sys/class/dmi/id/product_uuid': '4C4C4544-0034-3510-8052-B4C04F4E3332\n',
      'sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c': Buffer.from([6, 0, 0, 0, 1]),
      'proc/cpuinfo': [0, 1, 2, 3]
        .map((n) => `processor\t: ${n}\nmodel name\t: Xeon(R) Gold 5318Y\nphysical id\t: ${n >> 1}\ncore id\t\t: 0\n`)
        .join('\n'),
      'proc/meminfo': 'MemTotal:       65536 kB\nMemFree: 1 kB\n',
      'sys/class/net/eth0/device/vendor': '0x8086\n',
      'sys/class/net/eth0/device/driver': { link: 'sys/bus/pci/drivers/ice' },
      'sys/bus/pci/drivers/ice/bind': '',
      'sys/class/net/eth0/type': '1\n',
      'sys/class/net/eth0/address': '52:54:00:aa:bb:01\n',
      'sys/class/net/eth0/carrier': '1\n',
      'sys/class/net/eth0/speed': '25000\n',
      'sys/class/net/eth1/device/vendor': '0x8086\n',
      'sys/class/net/eth1/type': '1\n',
      'sys/class/net/eth1/address': '52:54:00:aa:bb:02\n',
      'sys/class/net/eth1/carrier': '0\n',
      'sys/class/net/eth1/speed': '-1\n',
      'sys/class/net/lo/type': '772\n',
    },
    [
      {
        name: 'sda',
        at: 'pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0',
        bytes: 512000,
        files: {
          'device/model': 'ST4000NM000A    \n',
          'device/vpd_pg80': serialPage('WS20ABCD'),
          'device/wwid': 'naa.5000c500a1b2c3d4\n',
          'queue/rotational': '1\n',
        },
      },
    ],
  );
  assert.deepEqual(inventory, {
    vendor: 'Dell Inc.',
    model: 'PowerEdge R650',
    serial: 'ABC1234',
    uuid: '4c4c4544-0034-3510-8052-b4c04f4e3332',
    firmware: 'uefi',
    secureBoot: true,
    cpu: { model: 'Xeon(R) Gold 5318Y', sockets: 2, cores: 2, threads: 4 },
    memoryBytes: 67108864,
    disks: [
      {
        name: 'sda',
        path: '/dev/sda',
        model: 'ST4000NM000A',
        serial: 'WS20ABCD',
        wwn: '0x5000c500a1b2c3d4',
        sizeBytes: 512000,
        rotational: true,
        transport: 'sata',
        removable: false,
        blank: false,
      },
    ],
    nics: [
      { name: 'eth0', mac: '52:54:00:aa:bb:01', link: true, speedMbps: 25000, driver: 'ice' },
      { name: 'eth1', mac: '52:54:00:aa:bb:02', link: false, speedMbps: 0, driver: '' },
    ],
    bmc: null,
  });
});

test('calls a disk blank only when nothing at all stands at its beginning', (t) => {
  const disk = { at: 'pci0000:00/0000:00:05.0/virtio2', bytes: 512000 };
  const written = Buffer.alloc(1 << 20);
  written[512] = 0x45; // the first byte of a GPT header
  const { disks } = takeInventory(t, { 'dev/vda': Buffer.alloc(1 << 20), 'dev/vdb': written }, [
    { ...disk, name: 'vda' },
    { ...disk, at: 'pci0000:00/0000:00:06.0/virtio3', name: 'vdb' },
    { ...disk, at: 'pci0000:00/0000:00:07.0/virtio4', name: 'vdc' }, // cannot be read
  ]) as { disks: { name: string; blank: boolean }[] };
  assert.deepEqual(
    disks.map(({ name, blank }) => [name, blank]),
    [
      ['vda', true],
      ['vdb', false],
      ['vdc', false],
    ],
  );
});

test('is a whole document when nothing is known', (t) => {
  assert.deepEqual(takeInventory(t, { 'proc/empty': '' }), {
    vendor: '',
    model: '',
    serial: '',
    uuid: '',
    firmware: 'bios',
    secureBoot: false,
    cpu: { model: '', sockets: 0, cores: 0, threads: 0 },
    memoryBytes: 0,
    disks: [],
    nics: [],
    bmc: null,
  });
});

for (const [what, written, read] of [
  ['quotes and backslashes', 'a "b" \\c\\ \'d\'', 'a "b" \\c\\ \'d\''],
  ['control characters', 'a\tb\u0001c\u007fd\u001b[0m', 'a\tb\u0001c\u007fd\u001b[0m'],
  ['shell syntax', '$(reboot) `id` %s %n -n', '$(reboot) `id` %s %n -n'],
  ['UTF-8 of two, three and four bytes', 'Größe 東芝 𝄞', 'Größe 東芝 𝄞'],
  ['bytes that are not UTF-8', Buffer.from([0x41, 0xff, 0x42, 0xc3, 0x28, 0xe2, 0x82]), 'A\ufffdB\ufffd(\ufffd'],
  ['overlong forms and surrogates', Buffer.from([0xc0, 0xaf, 0xed, 0xa0, 0x80]), '\ufffd\ufffd\ufffd\ufffd\ufffd'],
  ['digits that are no number', '007', '007'],
] as const) {
  test(`carries ${what} in a text`, (t) => {
    const inventory = takeInventory(t, { 'sys/class/dmi/id/product_name': written as string | Buffer });
    assert.equal(inventory.model, read);
  });
}

test('leaves out what firmware makers write into an empty field', (t) => {
  const inventory = takeInventory(t, {
    'sys/class/dmi/id/product_serial': 'To Be Filled By O.E.M.\n',
    'sys/class/dmi/id/product_uuid': 'Not Settable\n',
  });
  assert.deepEqual([inventory.serial, inventory.uuid], ['', '']);
});
