import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Library } from '../boot/library.ts';
import type { BootFiles } from '../boot/open.ts';
import type { Events } from '../events.ts';
import type { Machine } from '../model/machine.ts';
import type { Clock } from '../model/time.ts';
import type { Arrival } from '../model/view.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Run } from '../store/jobs.ts';
import type { BootSources } from '../store/views.ts';
import type { Ipv4 } from '../wire/address.ts';
import type { Discovery } from './discovery.ts';
import type { Runner } from './runner.ts';

/** What the door and the rooms behind it work with. */
export type DoorOptions = BootSources & {
  bmcs: Bmcs;
  events: Events;
  runner: Runner;
  discovery: Discovery;
  files: BootFiles;
  library: () => Library;
  clock: Clock;
};

/** A request of something that runs on a machine: who it is by its token, and what it said. */
export type Call = {
  token: string;
  run: Run;
  machine: Machine;
  arrival: Arrival;
  request: IncomingMessage;
  response: ServerResponse;
  /** What a GET said behind the question mark. */
  query: URLSearchParams;
  /** The body of a POST; of any other request, its query. */
  body: string;
};

const MAX_LOG_LINES = 500;
const MAX_LINE_CHARACTERS = 1000;

/** The address that a call came from. */
export function senderOf(call: Call): Ipv4 {
  return (call.request.socket.remoteAddress ?? '').replace(/^::ffff:/, '') as Ipv4;
}

/** Answer 200 with a text that was rendered. */
export function sendText(call: Call, text: string, headers: Record<string, string> = {}): void {
  call.response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  call.response.end(text);
}

/** The lines that a machine said, printable, without empty ones, 500 at the most. */
export function linesOf(body: string): string[] {
  return body
    .split('\n')
    .map(printable)
    .filter((line) => line !== '')
    .slice(0, MAX_LOG_LINES);
}

/** One line that a machine said, without terminal escapes and control characters, 1000 characters at the most. */
export function printable(line: string): string {
  return line
    .replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, ' ')
    .trimEnd()
    .slice(0, MAX_LINE_CHARACTERS);
}
