import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBmcError, withBmc } from './redfish.ts';

const ISO = 'http://10.77.0.1/run/9f8e7d6c/boot.iso';
const BOOT = 'node1 boot Cd Once UEFI';

test('inserts an image, makes it the next boot, and takes both back', () =>
  withBmc({ systems: [{ power: 'On' }] }, async ({ driver, sim }) => {
    await driver.insertMedia(ISO);
    assert.deepEqual(sim.model.done, [`CD1 insert ${ISO}`, BOOT]);
    await driver.insertMedia(undefined);
    assert.deepEqual(sim.model.done.slice(2), ['CD1 eject', 'node1 boot Cd Disabled UEFI']);
    assert.equal((await driver.boot()).device, 'none');
    await driver.insertMedia(undefined);
    assert.equal(sim.model.done.length, 4, 'there is nothing to take out');
  }));

test('R4b: takes the boot back from those who want all of it together', () =>
  withBmc(
    { systems: [{ manufacturer: 'ASRockRack' }], faults: [{ name: 'whole-needed' }] },
    async ({ driver, sim }) => {
      await driver.insertMedia(ISO);
      await driver.insertMedia(undefined);
      assert.deepEqual(sim.model.done.slice(2), ['CD1 eject', 'node1 boot None Disabled UEFI']);
    },
  ));

test('leaves another boot setting alone when it takes an image out', () =>
  withBmc({ media: [{ image: ISO }] }, async ({ driver }) => {
    await driver.setBoot({ device: 'network', firmware: 'uefi', isPersistent: false });
    await driver.insertMedia(undefined);
    assert.equal((await driver.boot()).device, 'network');
  }));

test('takes out what was in before', () =>
  withBmc(
    { media: [{ image: 'http://old/a.iso' }, { id: 'CD2', image: 'http://old/b.iso' }] },
    async ({ driver, sim }) => {
      await driver.insertMedia(ISO);
      assert.deepEqual(sim.model.done, ['CD1 eject', 'CD2 eject', `CD1 insert ${ISO}`, BOOT]);
    },
  ));

test('finds virtual drives below the System', () =>
  withBmc({ faults: [{ name: 'media-on-system' }] }, async ({ driver, sim }) => {
    await driver.insertMedia(ISO);
    assert.deepEqual(sim.model.done, [`CD1 insert ${ISO}`, BOOT]);
  }));

test('R15a: boots an image of a Supermicro as UsbCd', () =>
  withBmc(
    { systems: [{ manufacturer: 'Supermicro' }], faults: [{ name: 'image-alone' }] },
    async ({ driver, sim, ids }) => {
      await driver.insertMedia(ISO);
      assert.deepEqual(sim.model.done, [`CD1 insert ${ISO}`, 'node1 boot UsbCd Once UEFI']);
      assert.ok(ids().includes('R15a'));
    },
  ));

test('R15b: writes the image into a slot that has no action for it', () =>
  withBmc({ media: [{ canInsert: false }] }, async ({ driver, sim, ids }) => {
    await driver.insertMedia(ISO);
    await driver.insertMedia(undefined);
    assert.deepEqual(sim.model.done.slice(0, 3), [`CD1 insert ${ISO}`, BOOT, 'CD1 eject']);
    assert.deepEqual(
      sim.written.find(({ Image }) => Image === ISO),
      { Image: ISO, Inserted: true, WriteProtected: true },
    );
    assert.ok(ids().includes('R15b'));
  }));

test('R15c: tries slots with an action first, and the next one when one refuses', () =>
  withBmc(
    {
      media: [{ id: 'KVM', canInsert: false }, { id: 'CIMC' }, { id: 'CD1' }],
      faults: [{ name: 'status', status: 405, path: 'CIMC/Actions' }],
    },
    async ({ driver, sim, ids }) => {
      await driver.insertMedia(ISO);
      assert.deepEqual(sim.model.done, [`CD1 insert ${ISO}`, BOOT]);
      assert.ok(ids().includes('R15c'));
    },
  ));

test('R15c: says the first refusal when no slot takes it, and not the URL, which may be secret', () =>
  withBmc(
    { faults: [{ name: 'status', status: 400, text: `Cannot mount ${ISO}.`, path: 'InsertMedia' }] },
    async ({ driver, sim }) => {
      await assertBmcError(driver.insertMedia(ISO), 'refused', /the image for \S+\/CD1 with 400 \(Cannot mount …\)/);
      assert.deepEqual(sim.model.done, []);
    },
  ));

test('R15d: asks an iDRAC that is still ejecting again', () =>
  withBmc(
    {
      media: [{ image: 'http://old/a.iso' }],
      faults: [
        { name: 'stays-in', times: 12 },
        { name: 'status', status: 500, path: 'InsertMedia', times: 2 },
      ],
    },
    async ({ driver, sim, waits, ids }) => {
      await driver.insertMedia(ISO);
      assert.deepEqual(sim.model.done, ['CD1 eject', `CD1 insert ${ISO}`, BOOT]);
      assert.deepEqual(waits.slice(-2), [3000, 3000]);
      assert.ok(ids().includes('R15d'));
    },
  ));

test('R15e: adds what a BMC misses beside the image', () =>
  withBmc(
    {
      faults: [
        { name: 'image-needs', text: 'TransferMethod' },
        { name: 'image-needs', text: 'TransferProtocolType' },
        { name: 'image-needs', text: 'UserName' },
      ],
    },
    async ({ driver, sim, ids }) => {
      await driver.insertMedia(ISO);
      assert.deepEqual(
        sim.written.findLast(({ Image }) => Image === ISO),
        {
          Image: ISO,
          TransferProtocolType: 'HTTP',
          TransferMethod: 'Stream',
          UserName: 'none',
          Password: 'none',
        },
      );
      assert.ok(ids().includes('R15e'));
    },
  ));

test('R14: names the protocol to a Nokia at once', () =>
  withBmc({ systems: [{ manufacturer: 'Nokia' }], faults: [{ name: 'image-needs' }] }, async ({ driver, sim }) => {
    await driver.insertMedia(ISO);
    assert.equal(sim.asked.filter((one) => one.endsWith('InsertMedia')).length, 1);
  }));

test('ejects with a body, as an iLO wants it', () =>
  withBmc({ media: [{ image: ISO }], faults: [{ name: 'eject-needs-body' }] }, async ({ driver, sim }) => {
    await driver.insertMedia(undefined);
    assert.deepEqual(sim.model.done, ['CD1 eject']);
  }));

test('follows the task that inserts an image, though it is not there at first', () =>
  withBmc({ faults: [{ name: 'image-task' }] }, async ({ driver, sim, waits }) => {
    await driver.insertMedia(ISO);
    assert.deepEqual(waits, [2000, 2000, 2000]);
    assert.equal(sim.model.done.at(-1), BOOT);
  }));

test('says why the task failed that was to insert an image', () =>
  withBmc({ faults: [{ name: 'image-task', text: 'The share is gone.' }] }, async ({ driver }) => {
    await assertBmcError(driver.insertMedia(ISO), 'refused', /\(The share is gone\)/);
  }));

test('does not believe that an image is in which is not', () =>
  withBmc({ faults: [{ name: 'image-ignored' }] }, async ({ driver }) => {
    await assertBmcError(
      driver.insertMedia(ISO),
      'refused',
      /said yes to the image for \S+\/CD1, but the image is not in/,
    );
  }));

test('looks whether an image is in when nobody said so', () =>
  withBmc({ faults: [{ name: 'reset-after', path: 'InsertMedia' }] }, async ({ driver, sim }) => {
    await driver.insertMedia(ISO);
    assert.deepEqual(sim.model.done, [`CD1 insert ${ISO}`, BOOT]);
  }));

test('says that there is no drive for an image, and that something is no URL', () =>
  withBmc({ media: [{ id: 'Floppy1', types: ['Floppy'] }] }, async ({ driver }) => {
    await assertBmcError(
      driver.insertMedia(ISO),
      'unsupported',
      /no virtual drive that takes an image of a CD\. Boot this machine by/,
    );
    await assertBmcError(
      driver.insertMedia('file:///etc/passwd'),
      'unsupported',
      /cannot insert an image from "file:"/,
    );
  }));
