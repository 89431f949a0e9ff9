import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilter } from '../../src/web/filter.ts';
import { machineRow } from './rows.ts';

const rows = [
  machineRow(
    { name: 'r04-u10', state: 'installed', serial: '7XK2M33', macs: ['52:54:00:aa:04:10'], locked: true },
    'debian-12',
  ),
  machineRow(
    {
      name: 'r04-u11',
      state: 'failed',
      serial: '7XK2M34',
      power: { word: 'on' },
      macs: ['52:54:00:aa:04:11', '52:54:00:aa:14:11'],
    },
    'rocky-9',
  ),
  machineRow({
    name: 'r05-u1',
    state: 'new',
    macs: ['52:54:00:aa:05:01'],
    address: '10.77.0.101',
    power: { word: 'unknown', unreachableSince: 1000, asked: 'Press the power button of r05-u1.' },
  }),
];

const cases: [filter: string, names: string[]][] = [
  ['', ['r04-u10', 'r04-u11', 'r05-u1']],
  ['r04', ['r04-u10', 'r04-u11']],
  ['R04 7xk2m34', ['r04-u11']],
  ['!r04', ['r05-u1']],
  ['state:failed,new', ['r04-u11', 'r05-u1']],
  ['state:!failed', []],
  ['!state:failed', ['r04-u10', 'r05-u1']],
  ['os:debian', ['r04-u10']],
  ['name:debian', []],
  ['locked:yes', ['r04-u10']],
  ['power:on', ['r04-u11']],
  ['power:unknown', ['r04-u10', 'r05-u1']],
  ['power:unreachable', ['r05-u1']],
  ['power:asked', ['r05-u1']],
  ['10.77.0.101', ['r05-u1']],
  ['52:54:00:aa:05:01', ['r05-u1']],
  ['525400AA0501', ['r05-u1']],
  ['52-54-00-aa-14-11', ['r04-u11']],
  ['mac:aa14', ['r04-u11']],
  ['state:', ['r04-u10', 'r04-u11', 'r05-u1']],
  ['nothing-like-it', []],
];
for (const [filter, names] of cases)
  test(`the filter "${filter}" shows ${names.join(', ') || 'nothing'}`, () => {
    assert.deepEqual(
      rows.filter(readFilter(filter)).map((row) => row.machine.name),
      names,
    );
  });
