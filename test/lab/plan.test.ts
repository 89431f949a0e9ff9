import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabError } from '../../src/lab/error.ts';
import { type MachineOptions, planRack } from '../../src/lab/plan.ts';

const planMachine = (machine: MachineOptions) => planRack({ machines: [machine] }).machines[0]!;

test('plans a machine of each firmware when nothing is said', () => {
  const plan = planRack({});
  assert.deepEqual(
    plan.machines.map(({ name, firmware, nics }) => ({ name, firmware, mac: nics[0]?.mac })),
    [
      { name: 'vm-01', firmware: 'bios', mac: '52:54:00:77:01:01' },
      { name: 'vm-02', firmware: 'uefi', mac: '52:54:00:77:02:01' },
      { name: 'vm-03', firmware: 'uefi-http', mac: '52:54:00:77:03:01' },
    ],
  );
  assert.deepEqual(plan.networks, [{ bridge: 'rack0', address: '10.77.0.1/24' }]);
});

test('gives a machine the same UUID in every rack, and no other machine that one', () => {
  const uuids = planRack({ name: 'one' }).machines.map((machine) => machine.uuid);
  const again = planRack({ name: 'two' }).machines.map((machine) => machine.uuid);
  assert.deepEqual(again, uuids);
  assert.equal(new Set(uuids).size, uuids.length);
});

test('numbers the cards and disks of a machine', () => {
  const { nics, disks } = planMachine({
    name: 'db',
    nics: [{}, {}],
    disks: [{}, { size: '512M', bus: 'virtio-scsi' }],
  });
  assert.deepEqual(
    nics.map((nic) => nic.mac),
    ['52:54:00:77:01:01', '52:54:00:77:01:02'],
  );
  assert.deepEqual(
    disks.map(({ serial, size, bus }) => ({ serial, size, bus })),
    [
      { serial: 'disk-db', size: '8G', bus: 'virtio-blk' },
      { serial: 'disk-db-2', size: '512M', bus: 'virtio-scsi' },
    ],
  );
});

const refusals: { what: string; machine: MachineOptions; says: RegExp }[] = [
  { what: 'a name that is a path', machine: { name: '../x' }, says: /"\.\.\/x" cannot be the name of machine 1/ },
  { what: 'a disk size without a unit', machine: { disks: [{ size: '8' }] }, says: /"8" is not a disk size/ },
  { what: 'a serial that QEMU would read as an option', machine: { disks: [{ serial: 'a,b' }] }, says: /"a,b"/ },
  {
    what: 'a card on an unknown network',
    machine: { nics: [{ network: 'rack7' }] },
    says: /vm-01 has a card on rack7/,
  },
  {
    what: 'a card address that is none',
    machine: { nics: [{ mac: '52:54' }] },
    says: /"52:54" is not a card's address/,
  },
  { what: 'no memory', machine: { memoryMegabytes: 0 }, says: /0 MB/ },
];
for (const { what, machine, says } of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => planMachine(machine),
      (error) => error instanceof LabError && says.test(error.message),
    );
  });
}
