import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { refused, said, withCli } from '../cli/rig.ts';

test('subnets are listed, made, changed and removed', () =>
  withCli(async (run) => {
    assert.equal(
      await said(run('subnets')),
      [
        'NAME  NETWORK  ON  POOLS  GATEWAY  DNS  LEASE  RELAYS  GUESTS',
        'rack1  10.77.0.0/24  rack1  10.77.0.100-10.77.0.109  -  -  1h00m  -  any',
      ].join('\n'),
    );
    assert.equal(
      await said(
        run(
          ...['subnets', 'add', 'far', '--cidr', '10.78.0.0/24', '--relay', '10.78.0.1', '--gateway', '10.78.0.1'],
          ...[
            '--pool',
            '10.78.0.50-10.78.0.59',
            '--pool',
            '10.78.0.70-10.78.0.79',
            '--dns',
            '10.78.0.2',
            '--guests',
            '4',
          ],
          ...[
            '--no-authoritative',
            '--loader',
            'uefi-x64=ipxe.efi',
            '--lease-seconds',
            '600',
            '--domain',
            'far.example',
          ],
        ),
      ),
      'far (10.78.0.0/24) is served from now on, pool 10.78.0.50-10.78.0.59, 10.78.0.70-10.78.0.79',
    );
    const [, far] = JSON.parse(await said(run('subnets', '--json')));
    assert.partialDeepStrictEqual(far, {
      name: 'far',
      authoritative: false,
      loaders: { 'uefi-x64': 'ipxe.efi' },
      leaseSeconds: 600,
      guests: 4,
      dns: ['10.78.0.2'],
      domain: 'far.example',
    });
    assert.equal(
      await said(
        run(
          ...['subnets', 'set', 'far', '--guests', 'none', '--gateway', 'none', '--dns', 'none', '--pool', 'none'],
          ...['--relay', 'none', '--authoritative', '--domain', 'none', '--loader', 'none', '--name', 'away'],
        ),
      ),
      [
        'away (10.78.0.0/24) is changed, without a pool',
        '  no request comes from away yet: name its relay with: firstlight subnets set away --relay A',
      ].join('\n'),
    );
    const [, away] = JSON.parse(await said(run('subnets', '--json')));
    assert.partialDeepStrictEqual(away, {
      authoritative: true,
      pools: [],
      dns: [],
      relays: [],
      loaders: {},
      domain: '',
    });
    assert.equal('guests' in away || 'gateway' in away, false);
    assert.equal(await said(run('subnets', 'remove', 'away')), 'away is removed');
    await refused(run('subnets', 'add', 'x'), /--cidr 10\.1\.0\.0\/24, or --interface eth1/);
    await refused(run('subnets', 'set', 'rack1'), /say what to change/);
    await refused(run('subnets', 'add', 'x', '--cidr', '10.78.0.0/24', '--pool', 'x'), /--pool x is not of the form/);
    await refused(run('subnets', 'add', 'x', '--cidr', '10.77.0.0/24'), /overlaps subnet rack1 .*\n +choose another/);
    await refused(run('subnets', 'set', 'rack1', '--guests', 'many'), /not a whole number/);
  }));

test('what happened to the network is on the timeline of no machine', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    await said(run('subnets', 'set', 'rack1', '--guests', '4', '--domain', 'rack.example'));
    await said(run('option', 'set', 'machine', 'vm-01', 'ntp-servers', '10.0.0.1'));
    const lines = async (...words: string[]): Promise<string[]> =>
      (await said(run('timeline', ...words)))
        .split('\n')
        .filter((line) => !line.startsWith('---'))
        .map((line) => line.replace(/^\S+ +(\+\S+ +)?/, ''));
    assert.deepEqual(await lines(), [
      'network.changed  subnet rack1 was changed by ada: domain from none to rack.example; guests from none to 4',
    ]);
    assert.deepEqual(await lines('vm-01'), [
      'network.changed  option ntp-servers at machine vm-01 was added by ada: value 10.0.0.1; sent when asked for',
    ]);
    await refused(run('timeline', '--boot', '3'), /--boot 3 is of one machine: firstlight timeline MACHINE --boot 3/);
  }));

test('leases are listed, as JSON and CSV too, reserved and freed', () =>
  withCli(async (run, harness) => {
    assert.equal(await said(run('leases')), 'no address is given out');
    harness.addMachine('vm-01');
    await harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4, options: [[12, Buffer.from('vm')]] });
    const cells = '10.77.0.105  rack1  52:54:00:aa:bb:01  vm-01  vm  bound  2026-01-01T13:00:00.000Z';
    assert.equal(
      await said(run('leases')),
      `ADDRESS  SUBNET  MAC  MACHINE  HOSTNAME  STATE  UNTIL  THROUGH\n${cells}  -`,
    );
    assert.equal(
      await said(run('leases', '--csv')),
      `address,subnet,mac,machine,hostname,state,until,through\r\n${cells.replaceAll('  ', ',')},`,
    );
    assert.equal(JSON.parse(await said(run('leases', '--json', '--state', 'bound'))).length, 1);
    assert.equal(await said(run('leases', '--machine', 'vm-01', '--state', 'expired')), 'no such lease');
    await refused(
      run('leases', '--subnet', 'nosuch'),
      /there is no subnet nosuch\n +list them with: firstlight subnets/,
    );
    assert.equal(await said(run('lease', 'reserve', '10.77.0.105')), '10.77.0.105 is reserved for 52:54:00:aa:bb:01');
    assert.equal(await said(run('lease', 'free', '10.77.0.105')), '10.77.0.105 is free');
    await refused(run('lease', 'free', '10.77.0.105'), /there is no lease of 10\.77\.0\.105/);
  }));

test('reservations are made by whatever a client is known by, listed and given up', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    assert.match(await said(run('reservations')), /^nothing is reserved: firstlight reserve/);
    for (const [words, line] of [
      [
        ['10.77.0.20', '--mac', '5254.00aa.bb02', '--hostname', 'node2'],
        '10.77.0.20 is reserved for 52:54:00:aa:bb:02 (1)',
      ],
      [['10.77.0.21', '--client-id', 'ff:01'], '10.77.0.21 is reserved for id ff01 (2)'],
      [['10.77.0.23', '--port', 'Gi1/0/7@switch3'], '10.77.0.23 is reserved for port Gi1/0/7@switch3 (3)'],
      [['10.77.0.24', '--port', '@switch4', '--machine', 'vm-01'], '10.77.0.24 is reserved for port any@switch4 (4)'],
      [['--machine', 'vm-01', '--hostname', 'web'], 'web is reserved for 52:54:00:aa:bb:01 (5)'],
    ] as const)
      assert.equal(await said(run('reserve', ...words)), line);
    assert.equal(
      await said(run('reservations', '--machine', 'vm-01')),
      [
        'ID  ADDRESS  SUBNET  FOR  MACHINE  HOSTNAME',
        '4  10.77.0.24  rack1  port any@switch4  vm-01  -',
        '5  -  rack1  52:54:00:aa:bb:01  vm-01  web',
      ].join('\n'),
    );
    assert.match(
      await said(run('reservations', 'export', '--text', 'node2')),
      /^mac,address,.*\r\n52:54:00:aa:bb:02,10\.77\.0\.20,node2,,,,$/,
    );
    for (const which of ['10.77.0.20', '52:54:00:aa:bb:01', '3'])
      assert.equal(await said(run('unreserve', which)), `${which} is reserved no more`);
    await refused(run('unreserve', '10.77.0.20'), /has no reservation\n +list them with/);
    await refused(run('reserve', '10.77.0.30'), /a reservation is for somebody/);
    await refused(run('reserve', '10.77.0.30', '--port', '@'), /names neither a circuit nor a remote id/);
  }));

test('a file is imported: first tried, then whole or in part', () =>
  withCli(async (run, harness) => {
    const file = join(harness.folder, 'hosts.csv');
    writeFileSync(
      file,
      'mac,ip,name\n525400aabb01,10.77.0.20,a\n525400aabb02,10.77.0.20,b\n525400aabb03,10.77.0.22,c_d\n',
    );
    const conflict = `${file}:3: error: 10.77.0.20 is to be for 52:54:00:aa:bb:02, but is reserved for 52:54:00:aa:bb:01 on line 2\n`;
    const note = `${file}:4: note: the name "c_d" of 52:54:00:aa:bb:03 is not taken: it is no host name\n`;
    const remedy = '  mend the file, or take the rest (2 reservations) with --partial\n';
    assert.deepEqual(await run('reservations', 'import', file), {
      out: note,
      err: `${conflict}firstlight: nothing was imported: 1 error in ${file}\n${remedy}`,
      code: 1,
    });
    assert.deepEqual(await run('reservations', 'import', file, '--dry-run'), {
      out: note,
      err: `${conflict}firstlight: nothing would be imported: 1 error in ${file}\n${remedy}`,
      code: 1,
    });
    const left = '1 reservation left out (with an error, or here already)';
    assert.deepEqual(await run('reservations', 'import', file, '--dry-run', '--partial'), {
      out: `${note}${file} (csv): 2 reservations would be taken, ${left}; nothing was done\n`,
      err: conflict,
      code: 0,
    });
    assert.deepEqual(harness.network.reservations(), []);
    assert.deepEqual(await run('reservations', 'import', file, '--partial'), {
      out: `${note}${file} (csv): 2 reservations taken, ${left}\n`,
      err: conflict,
      code: 0,
    });
    assert.equal(harness.network.reservations().length, 2);
    writeFileSync(file, 'mac,ip,name\n525400aabb01,10.77.0.20,a\n');
    assert.equal(
      await said(run('reservations', 'import', file)),
      `${file} (csv): nothing taken, 1 reservation left out (here already)`,
    );
  }));

test('what cannot be imported is told in plain words', () =>
  withCli(async (run, harness) => {
    const file = join(harness.folder, 'file');
    await refused(
      run('reservations', 'import', '/nonexistent'),
      /^firstlight: \/nonexistent cannot be read: there is no such file\n$/,
    );
    await refused(
      run('reservations', 'import', harness.folder),
      /^firstlight: \/.* cannot be read: it is a directory: name one file of it\n$/,
    );
    await refused(
      run('reservations', 'import', file, '--format', 'x'),
      /'x' is invalid\. Allowed choices are csv, dnsmasq, /,
    );
    for (const [text, error] of [
      ['', /^firstlight: file is empty\n$/],
      ['Dear all,\n', /^firstlight: file is of no format that is known here\n {2}name one of: csv, dnsmasq, /],
      ['\x1f\x8b\0', /^firstlight: file is no text file\n {2}unpack it first/],
    ] as const) {
      writeFileSync(file, text);
      await refused(run('reservations', 'import', file), error);
    }
    // from standard input, which is empty
    await refused(run('reservations', 'import', '-'), /^firstlight: standard input is empty\n$/);
  }));

test('a file of Windows in UTF-16 is read', () =>
  withCli(async (run, harness) => {
    const file = join(harness.folder, 'export.csv');
    const text = '"IPAddress","ClientId","Name"\r\n"10.77.0.20","52-54-00-aa-bb-01","bär"\r\n';
    writeFileSync(file, Buffer.from(`\uFEFF${text}`, 'utf16le'));
    const { out, err } = await run('reservations', 'import', file);
    assert.equal(err, '');
    assert.equal(
      out,
      `${file}:2: note: the name "bär" of 52:54:00:aa:bb:01 is not taken: it is no host name\n${file} (csv): 1 reservation taken\n`,
    );
  }));

test('of many errors the first twenty are told, and all of them when that is wished', () =>
  withCli(async (run, harness) => {
    const file = join(harness.folder, 'hosts.csv');
    writeFileSync(file, `mac,ip\n${'x,10.77.0.20\n'.repeat(30)}`);
    const { err } = await run('reservations', 'import', file);
    const lines = err.trimEnd().split('\n');
    assert.equal(lines[19], `${file}:21: error: "x" is not a MAC address`);
    assert.deepEqual(lines.slice(20), [
      `${file}: and 10 more errors: --all tells them`,
      `firstlight: nothing was imported: 30 errors in ${file}`,
      '  mend the file',
    ]);
    const all = await run('reservations', 'import', file, '--all');
    assert.equal(all.err.split('\n')[29], `${file}:31: error: "x" is not a MAC address`);
  }));

test('DHCP options are set, listed and taken away at every level', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    assert.match(await said(run('options')), /^no option is set/);
    assert.equal(
      await said(run('option', 'set', 'global', 'dnsServers', '10.0.0.1, 10.0.0.2', '--force')),
      'dns-servers is 10.0.0.1, 10.0.0.2 for global',
    );
    assert.equal(
      await said(run('option', 'set', 'machine', 'vm-01', 'domain-name', '{{machine.name}}.example')),
      'domain-name is {{machine.name}}.example for machine vm-01',
    );
    assert.equal(
      await said(run('option', 'define', '224', 'switch-config', 'ips')),
      'option 224 is switch-config (ips)',
    );
    await said(run('option', 'set', 'profile', 'gpu', 'switch-config', '10.0.0.3'));
    assert.equal(
      await said(run('options')),
      [
        'LEVEL  OPTION  CODE  VALUE  SENT',
        'global  dns-servers  6  10.0.0.1, 10.0.0.2  always',
        'machine vm-01  domain-name  -  {{machine.name}}.example  when asked for',
        'profile gpu  switch-config  224  10.0.0.3  when asked for',
      ].join('\n'),
    );
    assert.match(
      await said(run('options', 'profile', 'gpu')),
      /\nprofile gpu {2}switch-config {2}224 {2}10\.0\.0\.3 {2}when/,
    );
    assert.match(
      await said(run('option', 'known', 'dns')),
      /\n6 {2}dns-servers {2}ips {2}10\.0\.0\.1, 10\.0\.0\.2 {2}RFC/,
    );
    assert.equal(await said(run('option', 'unset', 'profile', 'gpu', 'switch-config')), 'switch-config is set no more');
    assert.equal(await said(run('option', 'undefine', '224')), 'option 224 has no name any more');
    await refused(
      run('option', 'set', 'rack', 'x', 'dns-servers', '10.0.0.1'),
      /"rack" is no level for options\n {2}a level is global, /,
    );
    await refused(run('option', 'set', 'global', 'dns-servers'), /say level, option and value/);
    await refused(
      run('option', 'set', 'global', 'dns-servers', '10.0'),
      /dns-servers: "10\.0" is not an IPv4 address\n +see/,
    );
    await refused(run('options', 'subnet'), /say the level/);
    assert.equal(await said(run('profiles', 'vm-01', 'gpu', 'storage')), 'vm-01: gpu, storage');
    assert.equal(await said(run('profiles', 'vm-01', 'none')), 'vm-01: no profile');
    assert.equal(
      await said(run('pxe', 'vm-01', 'binl', '--delay-ms', '200')),
      'vm-01: PXE style binl, answers after 200 ms',
    );
    assert.equal(await said(run('pxe', 'vm-01')), 'vm-01: PXE style binl, answers after 200 ms');
  }));

test('the state of DHCP is told in plain words, with what to do', () =>
  withCli(
    async (run, harness) => {
      await harness.ask({ type: 'request', asks: '10.77.0.100' as Ipv4 });
      await harness.ask({ type: 'discover', mac: '52:54:00:aa:bb:02' as Mac });
      assert.deepEqual((await said(run('dhcp'))).replace(/seen [0-9.]+s ago/, 'seen just now').split('\n'), [
        'gives addresses on rack1 (10.77.0.1)',
        '2 requests came and 1 answer went since the start',
        "1 refused, as the strangers' share of the addresses was used up",
        '',
        'SUBNET  NETWORK  ADDRESSES  HELD  RESERVED  FREE  RESTING  GUESTS',
        'rack1  10.77.0.0/24  1  1  0  0  0  1 of 1',
        '',
        'another DHCP server, 10.77.0.66 (52:54:00:00:00:66) on rack1: seen just now',
        '  it names a boot file of its own',
        'rack1 has no free address: give it a larger pool with: firstlight subnets set rack1 --pool A-B',
        'rack1: strangers hold all of the addresses that they may have (1)',
      ]);
      assert.equal(JSON.parse(await said(run('dhcp', '--json'))).pools.length, 1);
    },
    { subnet: { pools: [{ first: '10.77.0.100' as Ipv4, last: '10.77.0.100' as Ipv4 }], guests: 1 } },
  ));
