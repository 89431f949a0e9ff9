import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Instant } from '../../src/model/time.ts';
import { type KeptLink, type NewLink, openBmcs } from '../../src/store/bmcs.ts';
import { openSecrets } from '../../src/store/secrets.ts';
import { withHarness } from '../harness.ts';

const LINK: NewLink = { driver: 'ipmi', address: '10.0.0.5', port: 623, user: 'admin', settings: {} };
const REFUSAL = { kind: 'wrong-password', text: 'it is wrong', at: 1 as Instant };
const { user: _none, ...ANONYMOUS } = LINK;

const first = (chain: readonly KeptLink[]): KeptLink => {
  assert.ok(chain[0]);
  return chain[0];
};

test('a chain is kept in its order, without its passwords', () =>
  withHarness({}, ({ bmcs, addMachine, machines }) => {
    const { id } = addMachine('vm-01');
    bmcs.put(id, [
      { ...LINK, driver: 'redfish', port: 443, password: 'one' },
      { ...LINK, password: 'two' },
    ]);
    assert.deepEqual(
      bmcs.chain(id).map(({ driver, position }) => [driver, position]),
      [
        ['redfish', 0],
        ['ipmi', 1],
      ],
    );
    assert.deepEqual([bmcs.password(id, 0), bmcs.password(id, 1), bmcs.password(id, 2)], ['one', 'two', '']);
    assert.ok(!JSON.stringify([bmcs.chain(id), [...bmcs.chains()]]).includes('password'));
    assert.deepEqual(bmcs.chains().get(id), bmcs.chain(id));
    assert.equal(machines.byId(id)?.bmcAddress, '10.0.0.5');
    bmcs.put(id, []);
    assert.deepEqual([bmcs.chain(id), bmcs.chains().size, machines.byId(id)?.hasBmc], [[], 0, false]);
  }));

test('a link that is set again keeps its password and what was learned, and is used again', () =>
  withHarness({}, ({ bmcs, addMachine }) => {
    const { id } = addMachine('vm-01');
    bmcs.put(id, [{ ...LINK, password: 's3cret' }]);
    bmcs.learn(first(bmcs.chain(id)), { cipherSuite: 3 });
    bmcs.learn(first(bmcs.chain(id)), { fingerprint: 'AB' });
    bmcs.refuse(first(bmcs.chain(id)), REFUSAL);
    assert.partialDeepStrictEqual(first(bmcs.chain(id)), {
      refusal: REFUSAL,
      learned: { cipherSuite: 3, fingerprint: 'AB' },
    });
    bmcs.put(id, [{ ...ANONYMOUS, settings: { system: '1' } }]);
    const link = first(bmcs.chain(id));
    assert.deepEqual([link.user, link.refusal, link.settings], ['admin', undefined, { system: '1' }]);
    assert.deepEqual([bmcs.password(id, 0), link.learned], ['s3cret', { cipherSuite: 3, fingerprint: 'AB' }]);
  }));

test('another BMC gets neither the password nor what was learned of the one before', () =>
  withHarness({}, ({ bmcs, addMachine }) => {
    const { id } = addMachine('vm-01');
    for (const other of [{ address: '10.0.0.6' }, { port: 624 }, { driver: 'redfish' }] as const) {
      bmcs.put(id, [{ ...LINK, password: 's3cret' }]);
      bmcs.learn(first(bmcs.chain(id)), { fingerprint: 'AB' });
      bmcs.put(id, [{ ...LINK, ...other }]);
      assert.deepEqual([bmcs.password(id, 0), first(bmcs.chain(id)).learned], ['', {}], JSON.stringify(other));
    }
  }));

test('the certificates that were seen are forgotten on demand, and nothing else is', () =>
  withHarness({}, ({ bmcs, addMachine }) => {
    const { id } = addMachine('vm-01');
    bmcs.put(id, [{ ...LINK, password: 's3cret' }]);
    bmcs.learn(first(bmcs.chain(id)), { cipherSuite: 3, fingerprint: 'AB' });
    bmcs.refuse(first(bmcs.chain(id)), { ...REFUSAL, kind: 'certificate' });
    bmcs.forgetCertificates(id);
    assert.deepEqual([first(bmcs.chain(id)).learned, first(bmcs.chain(id)).refusal], [{ cipherSuite: 3 }, undefined]);
    assert.equal(bmcs.password(id, 0), 's3cret');
  }));

test('many machines share a credential; what changes it is told of each, and clears their refusals', () =>
  withHarness({}, ({ bmcs, addMachine }) => {
    const ids = ['01', '02', '03'].map((n) => addMachine(`vm-${n}`, { mac: `52:54:00:aa:bb:${n}` as never }).id);
    const [one, two, alone] = ids as [number, number, number];
    bmcs.putCredential('racks', 'admin', 'old');
    for (const id of [one, two]) bmcs.put(id, [{ ...ANONYMOUS, credential: 'racks' }]);
    bmcs.put(alone, [{ ...LINK, password: 'own' }]);
    for (const id of ids) bmcs.refuse(first(bmcs.chain(id)), REFUSAL);
    const told: number[] = [];
    bmcs.onChanged((id) => told.push(id));
    bmcs.putCredential('racks', 'root', 'new');
    assert.deepEqual(told, [one, two]);
    assert.deepEqual(
      ids.map((id) => [first(bmcs.chain(id)).user, bmcs.password(id, 0), first(bmcs.chain(id)).refusal?.kind]),
      [
        ['root', 'new', undefined],
        ['root', 'new', undefined],
        ['admin', 'own', 'wrong-password'],
      ],
    );
    assert.deepEqual(bmcs.credentials(), [{ name: 'racks', user: 'root', usedBy: 2 }]);
    assert.throws(() => bmcs.removeCredential('racks'), /credential racks is used by 2 machines/);
    assert.throws(() => bmcs.removeCredential('none'), { code: 'not-found' });
    assert.throws(() => bmcs.put(one, [{ ...ANONYMOUS, credential: 'none' }]), /there is no credential none/);
    assert.equal(first(bmcs.chain(one)).credential, 'racks', 'what is refused changes nothing');
    // the shared password does not become its own
    bmcs.put(one, [LINK]);
    assert.equal(bmcs.password(one, 0), '');
  }));

test('credentials are tried in the order in which they were made', () =>
  withHarness({}, ({ bmcs }) => {
    for (const name of ['zeta', 'alpha', 'mid']) bmcs.putCredential(name, name, `pw ${name}`);
    bmcs.putCredential('zeta', 'changed', 'pw');
    assert.deepEqual(
      bmcs.openCredentials().map(({ name, user, password }) => [name, user, password]),
      [
        ['zeta', 'changed', 'pw'],
        ['alpha', 'alpha', 'pw alpha'],
        ['mid', 'mid', 'pw mid'],
      ],
    );
  }));

test('a new key seals everything anew, and the earlier one is forgotten', () =>
  withHarness({}, ({ bmcs, secrets, addMachine, folder, db, machines }) => {
    const { id } = addMachine('vm-01');
    bmcs.put(id, [{ ...LINK, password: 's3cret' }]);
    bmcs.putCredential('racks', 'admin', 'shared');
    const keyFile = join(folder, 'data/secret.key');
    const before = readFileSync(keyFile, 'utf8').trim();
    secrets.rotate();
    assert.deepEqual(readFileSync(keyFile, 'utf8').trim().split('\n').slice(1), [before]);
    assert.equal(bmcs.password(id, 0), 's3cret');
    assert.equal(bmcs.reseal(), 2);
    assert.equal(bmcs.reseal(), 0);
    assert.ok(!readFileSync(keyFile, 'utf8').includes(before));
    const later = openBmcs(db, openSecrets(join(folder, 'data')), machines);
    assert.deepEqual([later.password(id, 0), later.openCredentials()[0]?.password], ['s3cret', 'shared']);
  }));

test('a new key that cannot be kept seals nothing', () =>
  withHarness({}, ({ bmcs, secrets, addMachine, folder, db, machines }) => {
    const { id } = addMachine('vm-01');
    mkdirSync(join(folder, 'data/secret.key.new')); // the file cannot be written
    assert.throws(() => secrets.rotate(), /EISDIR/);
    bmcs.put(id, [{ ...LINK, password: 's3cret' }]);
    rmSync(join(folder, 'data/secret.key.new'), { recursive: true });
    assert.equal(openBmcs(db, openSecrets(join(folder, 'data')), machines).password(id, 0), 's3cret');
  }));

test('a key from the environment: the newest comes first, and what an earlier one sealed is sealed anew', () =>
  withHarness({}, ({ addMachine, folder, db, machines }) => {
    const [old, young] = ['ab'.repeat(32), 'cd'.repeat(32)];
    const { id } = addMachine('vm-01');
    const open = (keys: string) => openBmcs(db, openSecrets(folder, keys), machines);
    open(old).put(id, [{ ...LINK, password: 's3cret' }]);
    assert.equal(open(`${young},${old}`).password(id, 0), 's3cret');
    assert.throws(() => open(young).password(id, 0), /FIRSTLIGHT_SECRET_KEY: restore that variable/);
    assert.equal(open(`${young} ${old}`).reseal(), 1);
    assert.equal(open(young).password(id, 0), 's3cret');
    assert.throws(() => openSecrets(folder, young).rotate(), /the key comes from FIRSTLIGHT_SECRET_KEY/);
    for (const wrong of ['', 'ab', `${old},ab`])
      assert.throws(() => openSecrets(folder, wrong), /FIRSTLIGHT_SECRET_KEY holds \d+ bytes of key, 32 are needed/);
  }));

test('a password that no key opens keeps nobody from the others, and can be entered again', () =>
  withHarness({}, ({ addMachine, folder, db, machines, bmcs }) => {
    const lost = addMachine('vm-01').id;
    const other = addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as never }).id;
    bmcs.put(lost, [{ ...LINK, password: 'lost' }]);
    const keyFile = join(folder, 'data/secret.key');
    writeFileSync(keyFile, `${'ab'.repeat(32)}\n`);
    openBmcs(db, openSecrets(join(folder, 'data')), machines).put(other, [{ ...LINK, password: 's3cret' }]);
    writeFileSync(keyFile, `${'cd'.repeat(32)}\n${'ab'.repeat(32)}\n`);
    const later = openBmcs(db, openSecrets(join(folder, 'data')), machines);
    assert.equal(later.reseal(), 1);
    assert.equal(later.password(other, 0), 's3cret');
    assert.throws(() => later.password(lost, 0), /or enter the password again/);
    later.put(lost, [{ ...LINK, password: 'found' }]);
    assert.equal(later.password(lost, 0), 'found');
  }));
