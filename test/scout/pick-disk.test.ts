import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FakeDisk, makeMachineTree, serialPage } from './machine-tree.ts';

const PARTIAL = join(import.meta.dirname, '../../templates/partials/pick-disk.sh.hbs');
const GB = 1_000_000_000;

// What busybox offers is all that the Debian installer has: where the host has one, the chooser is tried with its shell too.
const SHELLS = [['sh']];
if (spawnSync('busybox', ['sh', '-c', ':']).status === 0) SHELLS.push(['busybox', 'sh']);

const SYSTEM_SSD: FakeDisk = {
  name: 'sdb',
  at: 'pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0',
  bytes: 480 * GB - ((480 * GB) % 512),
  files: {
    'device/model': 'INTEL SSDSC2KB48\n',
    'device/vpd_pg80': serialPage('BTYF0001'),
    'device/wwid': 'naa.55cd2e4150000001\n',
  },
};
const DATA_DISK: FakeDisk = {
  name: 'sda',
  at: 'pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0',
  bytes: 4000 * GB - ((4000 * GB) % 512),
  files: { 'device/model': 'ST4000NM000A\n', 'device/vpd_pg80': serialPage('WS20ABCD'), 'queue/rotational': '1\n' },
};
const NVME: FakeDisk = {
  name: 'nvme0n1',
  at: 'pci0000:00/0000:01:00.0/nvme/nvme0',
  bytes: 960 * GB - ((960 * GB) % 512),
  files: {
    'device/model': 'SAMSUNG MZQL2960HCJR-00A07\n',
    'device/serial': 'S64FNE0R\n',
    wwid: 'eui.36344630526000010025384500000001\n',
  },
};
const STICK: FakeDisk = {
  name: 'sdc',
  at: 'pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0',
  bytes: 32 * GB,
  files: { removable: '1\n', 'device/model': 'Ultra Fit\n' },
};
const USB_DISK: FakeDisk = {
  ...STICK,
  name: 'sdd',
  at: `${STICK.at}-b`,
  bytes: 64 * GB,
  files: { 'device/model': 'Portable\n', 'device/vpd_pg80': serialPage('USB1') },
};

function pick(t: TestContext, disks: FakeDisk[], expression: string, files: Record<string, string> = {}, minimum = '') {
  const root = makeMachineTree(t, files, disks);
  const results = SHELLS.map(([shell, ...options]) => {
    const script = `set -eu; . "${PARTIAL}"; pick_disk "$1" ${minimum}`;
    return spawnSync(shell!, [...options, '-c', script, 'sh', expression], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, PICK_DISK_ROOT: root },
    });
  });
  for (const result of results)
    assert.deepEqual([result.stdout, result.stderr], [results[0]!.stdout, results[0]!.stderr]);
  return { status: results[0]!.status, disk: results[0]!.stdout.trim(), said: results[0]!.stderr };
}

const RACK = [SYSTEM_SSD, DATA_DISK, NVME, STICK];

for (const [expression, disk] of [
  ['smallest', '/dev/sdb'],
  ['largest', '/dev/sda'],
  ['serial=WS20ABCD', '/dev/sda'],
  ['serial=s64fne0r', '/dev/nvme0n1'],
  ['wwn=0x55CD2E4150000001', '/dev/sdb'],
  ['wwn=eui.3634*', '/dev/nvme0n1'],
  ['model=INTEL*', '/dev/sdb'],
  ['model=SAMSUNG MZQL*', '/dev/nvme0n1'],
  ['path=/dev/nvme0n1', '/dev/nvme0n1'],
  ['size>=500G,smallest', '/dev/nvme0n1'],
  ['smallest, size>=1.5T', '/dev/sda'],
  ['size<1T,largest', '/dev/nvme0n1'],
  ['size<=480G', '/dev/sdb'],
  ['size>960000000000', '/dev/sda'],
] as const) {
  test(`picks ${disk} for ${expression}`, (t) => {
    const { status, disk: picked, said } = pick(t, RACK, expression);
    assert.equal(said, '');
    assert.equal(picked, disk);
    assert.equal(status, 0);
  });
}

for (const [expression, reason] of [
  ['', /3 disks fit; add smallest or largest/],
  ['size>=400G', /3 disks fit/],
  [
    'serial=NOBODY',
    /sdb \(480 GB, sata, INTEL SSDSC2KB48, serial BTYF0001\): serial=NOBODY does not hold: its serial is 'BTYF0001'/,
  ],
  ['path=/dev/sdc', /sdc .*: it is removable/],
  ['smallest,largest', /alternatives/],
  ['size>=400X', /'400X' is no size/],
  ['size>=', /'' is no size/],
  ['size>=99999999999999999999', /is no size/],
  ['biggest', /I do not know 'biggest'/],
  ['serial=', /I do not know 'serial='/],
  ['model=$(touch HACKED)', /no disk of this machine fits/],
] as const) {
  test(`refuses '${expression}' and says why`, (t) => {
    const { status, disk, said } = pick(t, RACK, expression);
    assert.match(said, reason);
    assert.match(said.trim().split('\n').at(-1)!, /^disk '/, 'the last line is the sentence for the timeline');
    assert.equal(disk, '');
    assert.equal(status, 1);
  });
}

test('takes a disk on USB only when it is named', (t) => {
  assert.match(pick(t, [USB_DISK], 'smallest').said, /it is on USB/);
  assert.match(pick(t, [USB_DISK], 'model=Portable').said, /it is on USB/);
  assert.equal(pick(t, [USB_DISK], 'serial=USB1').disk, '/dev/sdd');
  assert.equal(pick(t, [USB_DISK], 'smallest,path=/dev/sdd').disk, '/dev/sdd');
});

test('refuses a disk that is mounted, whole, by partition or through a mapper', (t) => {
  const disk = { ...SYSTEM_SSD, partitions: ['sdb1'] };
  assert.match(pick(t, [disk], 'smallest', { 'proc/mounts': '/dev/sdb / ext4 rw 0 0\n' }).said, /it is mounted/);
  assert.match(pick(t, [disk], 'smallest', { 'proc/mounts': '/dev/sdb1 /cdrom vfat ro 0 0\n' }).said, /it is mounted/);
  assert.match(
    pick(t, [disk], 'smallest', { 'proc/swaps': 'Filename Type\n/dev/sdb1 partition\n' }).said,
    /it is mounted/,
  );
  const mapped = { ...disk, files: { ...disk.files, 'sdb1/holders/dm-0/dm/name': 'vg-root\n' } };
  assert.match(
    pick(t, [mapped], 'smallest', { 'proc/mounts': '/dev/mapper/vg-root / ext4 rw 0 0\n' }).said,
    /it is mounted/,
  );
  assert.equal(pick(t, [mapped], 'smallest', { 'proc/mounts': '/dev/sdbx1 / ext4 rw 0 0\n' }).disk, '/dev/sdb');
});

test('refuses a disk that is read-only or too small', (t) => {
  assert.match(pick(t, [{ ...NVME, files: { ro: '1\n' } }], 'smallest').said, /it is read-only/);
  assert.match(
    pick(t, [{ ...NVME, bytes: 1 * GB }], 'smallest').said,
    /it has 1000000000 bytes and 2000000000 are needed/,
  );
  assert.match(pick(t, [NVME], 'smallest', {}, '5000000000000').said, /5000000000000 are needed/);
});

test('takes the first by hardware position of two equal disks, whatever their names', (t) => {
  const first = { ...SYSTEM_SSD, name: 'sdz' };
  const second = { ...SYSTEM_SSD, name: 'sda', at: SYSTEM_SSD.at.replace('ata1', 'ata9') };
  assert.equal(pick(t, [first, second], 'smallest').disk, '/dev/sdz');
  assert.equal(pick(t, [first, second], 'largest').disk, '/dev/sdz');
});

test('sees no disk in what is none: optical drives, RAM disks, loops, hidden paths, empty slots', (t) => {
  const none = ['sr0', 'loop0', 'ram0', 'zram0', 'dm-0', 'md127', 'fd0', 'mmcblk0boot0'].map((name) => ({
    ...NVME,
    name,
    at: name,
  }));
  const hidden = { ...NVME, name: 'nvme0c0n1', at: 'hidden', files: { hidden: '1\n' } };
  const empty = { ...STICK, name: 'sde', at: 'slot', bytes: 0 };
  const { status, said } = pick(t, [...none, hidden, empty], 'largest');
  assert.match(said, /shows no disk at all/);
  assert.equal(status, 1);
});
