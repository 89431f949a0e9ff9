import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BmcError } from '../../src/bmc/driver.ts';
import { CliError } from '../../src/cli/cli-error.ts';
import { describeError } from '../../src/cli/describe-error.ts';
import { ConfigError } from '../../src/config.ts';
import { AppError } from '../../src/model/errors.ts';
import { SocketError } from '../../src/sockets.ts';
import { StartError } from '../../src/start-error.ts';

for (const error of [
  new CliError('do this'),
  new StartError('do this'),
  new SocketError('do this'),
  new AppError('bad-request', 'do this'),
  new BmcError('unreachable', { address: '', port: 0 }, 'did this', 'Do that'),
])
  test(`${error.name} is told by its message alone`, () => assert.deepEqual(describeError(error), [error.message]));

test('every problem of the flags has a line', () =>
  assert.deepEqual(describeError(new ConfigError(['--api x: no port', '--dns y: no address'])), [
    '--api x: no port',
    '--dns y: no address',
  ]));

for (const error of [new Error('oh'), new TypeError('oh'), Object.assign(new Error('oh'), { code: 'ENOSPC' })])
  test(`${error.name} ${(error as { code?: string }).code ?? ''} is told with its stack: nobody thought of it`, () =>
    assert.match(describeError(error).join('\n'), /^(Type)?Error: oh\n +at .*describe-error\.test\.ts:\d+/));

test('what is no error is told as it is', () =>
  assert.deepEqual(describeError('oh'), ['oh was thrown, which is no error']));
