import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BmcDriver } from '../../src/bmc/driver.ts';
import { openBmc } from '../../src/bmc/index.ts';
import { startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { INVENTORIES, SENSORS } from '../../src/lab/bmc-sim/ipmi-contents.ts';
import { encodeSdr } from '../../src/wire/ipmi-sdr-record.ts';
import { freeipmi } from './freeipmi.ts';
import { missing, startIpmiSim } from './ipmi-sim.ts';
import { ipmitool } from './ipmitool.ts';

// Three clients on the same BMC say the same: ours, ipmitool and freeipmi. The BMC is ours in both suites, and ipmi_sim.

type Clients = {
  ours: BmcDriver;
  ipmitool: (...command: string[]) => Promise<string>;
  freeipmi: (program: string, ...args: string[]) => Promise<string>;
};

const user = 'admin';
const password = 's3cret';

async function withClients(
  { port, suite, workaround }: { port: number; suite: 3 | 17; workaround?: string },
  check: (clients: Clients) => Promise<void>,
): Promise<void> {
  const ours = openBmc({ driver: 'ipmi', address: '127.0.0.1', port, user, password }, { cipherSuite: suite });
  const target = { port, suite, user, password };
  await check({
    ours,
    ipmitool: async (...command) => (await ipmitool(target, ...command)).text,
    freeipmi: async (program, ...args) =>
      (await freeipmi(workaround === undefined ? target : { ...target, workaround }, program, ...args)).text,
  });
  await ours.close();
}

const BMCS: Record<string, (check: (clients: Clients) => Promise<void>) => Promise<void>> = {
  'our BMC in suite 3': (check) => withOurs(3, check),
  'our BMC in suite 17': (check) => withOurs(17, check),
  // It takes no privilege in Open Session but the one that is used then, which freeipmi has to be told.
  ipmi_sim: async (check) => {
    const sim = await startIpmiSim({ emulation: emulateContents() });
    try {
      await withClients({ port: sim.port, suite: 3, workaround: 'opensesspriv' }, check);
    } finally {
      await sim.stop();
    }
  },
};

async function withOurs(suite: 3 | 17, check: (clients: Clients) => Promise<void>): Promise<void> {
  const bmc = await startIpmiBmc({ suites: [suite] });
  try {
    await withClients({ port: bmc.port, suite }, check);
    assert.equal(bmc.sessions.open, 0, 'sessions left open');
  } finally {
    await bmc.stop();
  }
}

/** The contents of our BMC in the commands of ipmi_sim, as far as it knows such things. */
function emulateContents(): string[] {
  const hex = (bytes: Buffer) => [...bytes].map((byte) => `0x${byte.toString(16)}`).join(' ');
  const none = '000000000000000';
  const sensors = SENSORS.flatMap(({ record, reading }, index) => {
    const list = `main_sdr_add 0x20 ${hex(encodeSdr(index + 1, record))}`;
    if (!reading || (record.kind !== 'full' && record.kind !== 'compact')) return [list];
    const { number, sensorType, eventType } = record;
    const states = Array.from({ length: 15 }, (_, bit) => bit).filter((bit) => ((reading.states ?? 0) >> bit) & 1);
    return [
      `sensor_add 0x20 0 ${number} ${sensorType} ${eventType}`,
      ...(eventType === 1 ? [`sensor_set_value 0x20 0 ${number} ${reading.raw} 0`] : []),
      ...states.map((bit) => `sensor_set_bit 0x20 0 ${number} ${bit} 1 0`),
      `sensor_set_event_support 0x20 0 ${number} enable scanning per-state ${none} ${none} ${none} ${none}`,
      list,
    ];
  });
  const inventory = INVENTORIES[0]!;
  return [
    ...sensors,
    `mc_add_fru_data 0x20 0 ${inventory.length} data ${hex(inventory)}`,
    'sel_add 0x20 0x02 0 0 0 0 0x20 0x00 0x04 0x01 0x01 0x01 0x57 0x52 0x50',
    'sel_add 0x20 0x02 0 0 0 0 0x20 0x00 0x04 0x08 0x0a 0x6f 0x03 0xff 0xff',
  ];
}

const skip = missing('ipmi_sim', 'ipmitool', 'ipmipower', 'ipmi-chassis', 'ipmi-sel');
/** The cells of a table that is separated by commas or bars. */
const cells = (line: string) => line.split(/\s*[,|]\s*/).map((cell) => cell.trim());

for (const [name, withBmc] of Object.entries(BMCS)) {
  test(`all turn power of ${name} on and off and read it alike`, { skip }, () =>
    withBmc(async (clients) => {
      const read = async () => [
        await clients.ours.powerState(),
        (await clients.ipmitool('power', 'status')).replace('Chassis Power is ', ''),
        (await clients.freeipmi('ipmipower', '--stat')).replace(/^.*: /, ''),
        /System Power +: (\w+)/.exec(await clients.freeipmi('ipmi-chassis', '--get-chassis-status'))?.[1],
      ];
      await clients.ours.setPower('on');
      assert.deepEqual(await read(), ['on', 'on', 'on', 'on']);
      await clients.freeipmi('ipmipower', '--off', '--wait-until-off');
      assert.deepEqual(await read(), ['off', 'off', 'off', 'off']);
      await clients.freeipmi('ipmi-chassis', '--chassis-control=POWER-UP');
      assert.deepEqual(await read(), ['on', 'on', 'on', 'on']);
      await clients.ipmitool('power', 'off');
      assert.deepEqual(await read(), ['off', 'off', 'off', 'off']);
    }),
  );

  test(`all read the sensors of ${name} alike`, { skip }, () =>
    withBmc(async ({ ours, ...others }) => {
      const sensors = await ours.sensors!();
      assert.equal(sensors.length, 12);
      const numbers = new Map(
        sensors.filter(({ value }) => value !== undefined).map((one) => [one.name, one.value!.toFixed(2)]),
      );
      const isNumber = (text: string | undefined) => text !== undefined && /^-?[\d.]+$/.test(text);
      const lines = (await others.ipmitool('-c', 'sdr', 'list', 'full')).split('\n').map(cells);
      const itsNumbers = lines
        .filter(([, value]) => isNumber(value))
        .map(([key, value]) => [key, Number(value).toFixed(2)]);
      assert.deepEqual(new Map(itsNumbers as [string, string][]), numbers);
      const rows = (await others.freeipmi('ipmi-sensors', '--comma-separated-output', '--no-header-output'))
        .split('\n')
        .map(cells);
      const theirNumbers = rows.filter((row) => isNumber(row[3])).map((row) => [row[1], row[3]]);
      numbers.delete('Pump'); // freeipmi reads no sensors that are not linear
      assert.deepEqual(new Map(theirNumbers as [string, string][]), numbers);

      // States: ours in words of its own, so only what is on is compared.
      const states = new Map(sensors.map(({ name: key, text }) => [key, text]));
      const theirs = new Map(rows.map((row) => [row[1], row[5]]));
      assert.equal(states.get('PS2 Status'), 'present, failed, input lost');
      assert.equal(
        theirs.get('PS2 Status'),
        "'Presence detected' 'Power Supply Failure detected' 'Power Supply input lost (AC/DC)'",
      );
      assert.equal(states.get('PS Redundancy'), 'redundancy lost');
      assert.equal(theirs.get('PS Redundancy'), "'Redundancy Lost'");
    }),
  );

  test(`all read the event log of ${name} alike, and see it cleared`, { skip }, () =>
    withBmc(async ({ ours, ...others }) => {
      const log = await ours.log!();
      const lines = (await others.ipmitool('-c', 'sel', 'elist')).split('\n').map(cells);
      assert.ok(log.length >= 2);
      assert.deepEqual(
        log.map(({ id }) => id),
        lines.map(([id]) => `${Number.parseInt(id!, 16)}`),
      );
      const rows = (await others.freeipmi('ipmi-sel', '--comma-separated-output', '--no-header-output'))
        .split('\n')
        .map(cells);
      for (const [index, { text, at }] of log.entries()) {
        const sensor = text.replace(/:.*/, '');
        if (sensor.includes('Temp') || sensor.includes('PS')) {
          assert.ok(lines[index]!.join(' ').includes(sensor), `ipmitool: ${lines[index]}`);
          assert.ok(rows[index]!.includes(sensor), `freeipmi: ${rows[index]}`);
        }
        const clock = at === undefined ? undefined : new Date(at).toISOString().slice(11, 19);
        if (clock) assert.deepEqual([lines[index]![2]!.slice(0, 8), rows[index]![2]], [clock, clock]);
      }
      await ours.clearLog!();
      assert.deepEqual(await ours.log!(), []);
      assert.match(await others.ipmitool('sel', 'info'), /Entries +: 0/);
    }),
  );

  test(`all read the inventory of ${name} alike`, { skip }, () =>
    withBmc(async ({ ours, ...others }) => {
      const fields = new Map((await ours.inventory!()).map(({ part, name: key, value }) => [`${part} ${key}`, value]));
      const its = await others.ipmitool('fru', 'print', '0');
      const theirs = await others.freeipmi('ipmi-fru');
      const names = [
        ['chassis part number', 'Chassis Part Number', 'Chassis Part Number'],
        ['chassis serial', 'Chassis Serial', 'Chassis Serial Number'],
        ['board manufacturer', 'Board Mfg', 'Board Manufacturer'],
        ['board name', 'Board Product', 'Board Product Name'],
        ['board serial', 'Board Serial', 'Board Serial Number'],
        ['product manufacturer', 'Product Manufacturer', 'Product Manufacturer Name'],
        ['product name', 'Product Name', 'Product Name'],
        ['product version', 'Product Version', 'Product Version'],
        ['product serial', 'Product Serial', 'Product Serial Number'],
        ['product asset tag', 'Product Asset Tag', 'Product Asset Tag'],
      ];
      for (const [mine, second, third] of names) {
        const value = fields.get(mine!);
        assert.ok(value, mine);
        assert.equal(new RegExp(`^ ?${second} +: (.*)$`, 'm').exec(its)?.[1], value, `ipmitool: ${mine}`);
        assert.equal(new RegExp(`FRU ${third}: (.*)$`, 'm').exec(theirs)?.[1], value, `freeipmi: ${mine}`);
      }
    }),
  );

  test(`all read the boot device of ${name} alike`, { skip }, () =>
    withBmc(async ({ ours, ...others }) => {
      await ours.setBoot({ device: 'network', firmware: 'bios', isPersistent: false });
      const flags = await others.ipmitool('chassis', 'bootparam', 'get', '5');
      // ipmi_sim leaves the first byte out, which our driver knows (B16).
      const isMarked = name !== 'ipmi_sim';
      assert.match(flags, isMarked ? /Boot Flag Valid/ : /Boot Flag Invalid/);
      assert.deepEqual(
        ours.quirks!().map(({ id }) => id),
        isMarked ? ['B5'] : ['B16'], // ours says that it is Supermicro's
      );
      assert.match(flags, /only next boot[\s\S]+legacy[\s\S]+Force PXE/);
      const told = isMarked ? ({ firmware: 'bios' } as const) : {};
      assert.deepEqual(await ours.boot(), { device: 'network', ...told, isPersistent: false });
      await others.ipmitool('chassis', 'bootdev', 'disk');
      assert.deepEqual(await ours.boot(), { device: 'disk', ...told, isPersistent: false });
    }),
  );
}

test('all read what a machine draws, why it was started and who it is alike', { skip }, () =>
  withOurs(17, async ({ ours, ...others }) => {
    await ours.setPower('on');
    assert.equal(await ours.powerReading!(), 128);
    assert.match(await others.ipmitool('dcmi', 'power', 'reading'), /Instantaneous power reading: +128 Watts/);
    const theirs = await others.freeipmi('ipmi-dcmi', '--get-system-power-statistics');
    assert.match(theirs, /Current Power +: 128 Watts/);
    assert.equal(await ours.restartCause!(), 'the machine was started by a chassis control command');
    assert.match(await others.ipmitool('chassis', 'restart_cause'), /chassis power control command/);
    const { manufacturer, firmware, protocol } = await ours.identity();
    assert.deepEqual([manufacturer, firmware, protocol], ['Supermicro', '3.88', 'IPMI 2.0']);
    const info = await others.ipmitool('mc', 'info');
    assert.match(info, /Firmware Revision +: 3\.88[\s\S]+IPMI Version +: 2\.0[\s\S]+Manufacturer ID +: 10876/);
  }),
);
