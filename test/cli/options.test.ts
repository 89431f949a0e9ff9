import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Client } from '../../src/cli/client.ts';
import { collect, oneOf, splitPair, splitPort, wholeNumber } from '../../src/cli/options.ts';
import { readParams } from '../../src/cli/params.ts';
import { withHarness } from '../harness.ts';
import { refused, runCli, said, withCli } from './rig.ts';

test('a whole number is digits, and no more of them than a number keeps', () => {
  assert.deepEqual(['0', '7', '007', '999999999999999'].map(wholeNumber), [0, 7, 7, 999_999_999_999_999]);
  for (const text of ['', 'x', '-1', '1.5', '1e3', ' 1', '0x10', '9999999999999999'])
    assert.throws(() => wholeNumber(text), { code: 'commander.invalidArgument', message: 'It is not a whole number.' });
});

test('one of some words is taken as it is, and another is answered with those there are', () => {
  assert.equal(oneOf(['a', 'b'])('b'), 'b');
  assert.throws(() => oneOf(['a', 'b'])('c'), { message: 'Allowed choices are a, b.' });
});

test('what is told again adds to what was told before', () => {
  assert.deepEqual(collect('b', collect('a', undefined)), ['a', 'b']);
});

test('a pair has a name; its value may be empty or hold a =', () => {
  assert.deepEqual(splitPair('a=b=c'), ['a', 'b=c']);
  assert.deepEqual(splitPair('a='), ['a', '']);
  for (const pair of ['a', '=b', '']) assert.throws(() => splitPair(pair), /is not of the form NAME=VALUE/);
});

test('an address may have a port; one of IPv6 then stands in brackets', () => {
  const rows: [string | undefined, string | undefined, number | undefined][] = [
    ['10.1.0.7', '10.1.0.7', undefined],
    ['10.1.0.7:6230', '10.1.0.7', 6230],
    ['bmc-7.example:623', 'bmc-7.example', 623],
    ['[fe80::1]:623', 'fe80::1', 623],
    ['[fe80::1]', 'fe80::1', undefined],
    ['fe80::1', 'fe80::1', undefined],
    [undefined, undefined, undefined],
  ];
  for (const [text, host, port] of rows) assert.deepEqual(splitPort(text), [host, port], text);
});

test('params are of their declared types; what is not stays a text, which the API refuses', () =>
  withHarness({}, async ({ folder }) => {
    const file = join(folder, 'file');
    writeFileSync(file, 'one\ntwo\n');
    const types = { n: 'integer', b: 'boolean', l: 'list', t: 'text', s: 'script' };
    const declarations = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, { type }]));
    const client = { get: async () => declarations } as unknown as Pick<Client, 'get'>;
    const read = async (...pairs: string[]): Promise<unknown[]> =>
      Object.values(await readParams(client, pairs, false));
    assert.deepEqual(await read('n=-7', 'b=true', 'l=a,b', 't=x', 's=y'), [-7, true, ['a', 'b'], 'x', 'y']);
    assert.deepEqual(await read('n=abc'), ['abc']);
    assert.deepEqual(await read('n=1.5'), ['1.5']);
    assert.deepEqual(await read('n='), ['']);
    assert.deepEqual(await read('b=maybe'), ['maybe']);
    assert.deepEqual(await read(`l=@${file}`, `t=@${file}`, `s=@${file}`), [['one', 'two'], 'one\ntwo', 'one\ntwo\n']);
    assert.deepEqual(await readParams(client, ['t='], true), { t: null });
    await assert.rejects(read('t=@/nonexistent'), { name: 'CliError', message: /there is no such file/ });
  }));

const WRONG: [string[], RegExp][] = [
  [['boot-device', 'floppy', 'vm-01'], /argument 'device'.* Allowed choices are network, http, disk, cd, setup\./],
  [['power', 'on', 'vm-01', '--boot', 'floppy'], /'--boot <device>'.* Allowed choices are network, http, disk,/],
  [['bmc', 'set', 'vm-01', '--driver', 'x'], /'--driver <name>'.* Allowed choices are redfish, ipmi, ipmitool, wol,/],
  [['bmc', 'boot-order', 'vm-01', '--device', 'x'], /'--device <device>'.* Allowed choices are network, http, disk,/],
  [['pxe', 'vm-01', 'x'], /argument 'style'.* Allowed choices are auto, direct, plain, header, binl, none\./],
  [['leases', '--state', 'x'], /'--state <state>'.* Allowed choices are bound, expired, released, declined\./],
  [['explain', 'vm-01', '--firmware', 'x'], /'--firmware <kind>'.* Allowed choices are bios, uefi, uefi-http\./],
  [['timeline', '--last', '0'], /'--last <number>'.* It is not from 1 to 10000\./],
  [['option', 'set', 'rack', 'x', 'y'], /"rack" is no level for options\n {2}a level is global, subnet NAME, /],
];
for (const [words, wanted] of WRONG)
  test(`${words.join(' ')} is refused before anything is asked`, async () => {
    const env = { FIRSTLIGHT_URL: 'http://127.0.0.1:1', FIRSTLIGHT_TOKEN: 't' };
    assert.equal(await refused(runCli(words, env), wanted), '');
  });

test('each of two ways and styles that are right is taken', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    assert.equal(
      await said(run('bmc', 'set', 'vm-01', '10.9.0.7', '--driver', 'redfish', '--driver', 'ipmi')),
      'vm-01: redfish at 10.9.0.7:443, then ipmi at 10.9.0.7:623',
    );
    assert.equal(await said(run('pxe', 'vm-01', 'binl')), 'vm-01: PXE style binl, answers after 0 ms');
  }));
