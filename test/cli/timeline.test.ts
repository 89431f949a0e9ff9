import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import type { Client, StreamedEvent } from '../../src/cli/client.ts';
import { addTimelineCommand } from '../../src/cli/timeline.ts';

/** Noon UTC and so many seconds, of this boot. */
const event = (id: number, seconds: number, boot: number): StreamedEvent => ({
  id,
  at: Date.UTC(2026, 0, 1, 12) + seconds * 1000,
  kind: 'boot.log',
  text: `event ${id}`,
  boot,
});

/** What `timeline` with these words says, and what it asks, where these are kept and those happen. */
async function timeline(words: string[], kept: StreamedEvent[], happening: StreamedEvent[]) {
  const said: string[] = [];
  const asked: string[] = [];
  const client: Pick<Client, 'get' | 'stream'> = {
    get: async <T>(path: string) => {
      asked.push(path);
      return kept as T;
    },
    stream: async (path, onEvent) => {
      asked.push(path);
      for (const one of happening) if (onEvent(one)) return;
    },
  };
  const program = new Command();
  addTimelineCommand(program, { client: () => client as Client, say: (line) => said.push(line) });
  await program.parseAsync(['timeline', ...words], { from: 'user' });
  return { said: said.map((line) => line.replace(/^\S+ +(?=\+|boot\.)/, '').replace(/ {2,}/g, '  ')), asked };
}

test('what is followed begins after what was told, with the time between', async () => {
  const { said, asked } = await timeline(['vm 1', '--follow'], [event(7, 0, 3)], [event(8, 200, 3), event(9, 201, 4)]);
  assert.deepEqual(asked, ['/api/v1/machines/vm%201/timeline?last=200', '/api/v1/events?machine=vm%201&after=7']);
  assert.deepEqual(said, [
    '--- boot 3',
    'boot.log  event 7',
    '+3m20s  boot.log  event 8',
    '--- boot 4',
    '+1.0s  boot.log  event 9',
  ]);
});

test('of one boot nothing of another is told, also when it is followed', async () => {
  const { said } = await timeline(
    ['vm-1', '--boot', '3', '--follow'],
    [],
    [event(1, 0, 2), event(7, 0, 3), event(9, 9, 4)],
  );
  assert.deepEqual(said, ['--- boot 3', 'boot.log  event 7']);
});
