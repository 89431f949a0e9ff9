import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type Client, openClient } from '../../src/cli/client.ts';

/** What the server does with one request; 'away' closes the connection without a word. */
type Turn = 'away' | ((answer: ServerResponse) => void);

/** A client of a server that answers each request by the next turn, and the paths that it was asked for. The last turn stays. */
async function withTurns(
  turns: readonly Turn[],
  check: (client: Client, asked: readonly string[], told: readonly string[]) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const told: string[] = [];
  const server = createServer((request, answer) => {
    const turn = turns[asked.length] ?? turns.at(-1);
    asked.push(request.url ?? '');
    if (turn === undefined || turn === 'away') request.socket.destroy();
    else turn(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await check(
      openClient({ url, token: 't' }, (line) => told.push(line)),
      asked,
      told,
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const event = (id: number): string => `id: ${id}\nevent: x\ndata: {"id":${id},"at":0,"kind":"x","text":""}\n\n`;
/** An answer that has begun: these events, and then the connection breaks. */
const breaksAfter =
  (...ids: number[]): Turn =>
  (answer) => {
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
    answer.write(`: hello\n\n${ids.map(event).join('')}`, () => answer.socket?.destroy());
  };
const endsAfter =
  (...ids: number[]): Turn =>
  (answer) =>
    answer.end(`: hello\n\n${ids.map(event).join('')}`);
const refuses =
  (status: number, error: string): Turn =>
  (answer) =>
    answer.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ code: 'x', error }));

/** The ids that a stream gives until one of them is `last`. */
async function idsUpTo(client: Client, path: string, last: number): Promise<number[]> {
  const ids: number[] = [];
  await client.stream(path, ({ id }) => ids.push(id) > 0 && id === last);
  return ids;
}

test('a stream that has told nothing yet comes back after an interruption, and asks for what came after', () =>
  withTurns([breaksAfter(), 'away', endsAfter(8)], async (client, asked, told) => {
    assert.deepEqual(await idsUpTo(client, '/events?machine=a%26b&after=7', 8), [8]);
    assert.deepEqual(asked, Array(3).fill('/events?machine=a%26b&after=7'));
    assert.deepEqual(told, [
      'the appliance does not answer any more: waiting for it to come back (Ctrl-C ends the waiting)',
      'the appliance answers again',
    ]);
  }));

test('a stream comes back after the last event that it told, each time that it breaks', () =>
  withTurns([breaksAfter(3), endsAfter(5), endsAfter(6)], async (client, asked, told) => {
    assert.deepEqual(await idsUpTo(client, '/events?after=0&machine=a', 6), [3, 5, 6]);
    assert.deepEqual(asked, ['/events?after=0&machine=a', '/events?after=3&machine=a', '/events?after=5&machine=a']);
    assert.deepEqual(told, []);
  }));

test('a stream without a place to begin at asks for none before its first event', () =>
  withTurns([endsAfter(), endsAfter(5), endsAfter(6)], async (client, asked) => {
    assert.deepEqual(await idsUpTo(client, '/events', 6), [5, 6]);
    assert.deepEqual(asked, ['/events', '/events', '/events?after=5']);
  }));

test('an appliance that never answered is not waited for', () =>
  withTurns(['away'], async (client, asked, told) => {
    await assert.rejects(
      client.stream('/events?after=0', () => true),
      {
        name: 'CliError',
        message: /^no Firstlight answers at http:\/\/127\.0\.0\.1:\d+ \(/,
      },
    );
    assert.deepEqual([asked.length, told], [1, []]);
  }));

test('a refusal ends a stream with its words, also after it was interrupted', () =>
  withTurns([breaksAfter(3), refuses(401, 'the token is not known')], async (client, asked) => {
    await assert.rejects(idsUpTo(client, '/events?after=0', 9), {
      name: 'CliError',
      message: /^the token is not known\n/,
    });
    assert.equal(asked.length, 2);
  }));

test('an event that is no JSON ends a stream with its error', () =>
  withTurns([(answer) => answer.end(`${event(3)}data: {oh\n\n`)], async (client, asked) => {
    await assert.rejects(idsUpTo(client, '/events?after=0', 9), SyntaxError);
    assert.equal(asked.length, 1);
  }));

test('what goes wrong with whom it is told to ends a stream too', () =>
  withTurns([endsAfter(3)], async (client, asked) => {
    const mistake = new TypeError('a mistake of ours');
    await assert.rejects(
      client.stream('/events?after=0', () => {
        throw mistake;
      }),
      mistake,
    );
    assert.equal(asked.length, 1);
  }));

test('what is no Firstlight, or breaks off, is told in plain words', async () => {
  await withTurns([(answer) => answer.end('<html>')], (client) =>
    assert.rejects(client.get('/x'), {
      name: 'CliError',
      message: /^what answers at http:\/\/127\S+ is no Firstlight: /,
    }),
  );
  await withTurns([breaksAfter(1)], (client) =>
    assert.rejects(client.get('/x'), { name: 'CliError', message: /^no Firstlight answers at / }),
  );
  const firstLine: Turn = (answer) => answer.writeHead(200).write('{"n":1}\n', () => answer.socket?.destroy());
  await withTurns([firstLine], async (client) => {
    const lines = client.lines('POST', '/x', {});
    assert.deepEqual(await lines.next(), { value: { n: 1 }, done: false });
    await assert.rejects(lines.next(), { name: 'CliError', message: /^no Firstlight answers at / });
  });
  await withTurns([(answer) => answer.writeHead(502).end('<html>')], (client) =>
    assert.rejects(client.get('/x'), { name: 'CliError', message: /^http:\S+\/x answers 502$/ }),
  );
});

test('who is not known to the API is told how the CLI gets a token, not of headers', () =>
  withTurns(
    [(answer) => answer.writeHead(401).end('{"error":"this token is not known here","next":"send the header"}')],
    (client) =>
      assert.rejects(client.get('/x'), {
        message:
          'this token is not known here\n  set FIRSTLIGHT_TOKEN to a token of this appliance: its first start tells one',
      }),
  ));
