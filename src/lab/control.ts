import { connect, createServer, type Server } from 'node:net';
import { LabError } from './error.ts';

/**
 * The rack's control socket: one order per connection, `MACHINE get power` or `MACHINE set reset 1`, one answer,
 * `ok power:1` or `error WHY`. The chassis programs of the BMCs and `lab power` speak it.
 */
export async function openControl(path: string, perform: (order: string[]) => Promise<string>): Promise<Server> {
  const server = createServer((connection) => {
    let text = '';
    connection.setEncoding('utf8');
    connection.setTimeout(30_000, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return;
      connection.removeAllListeners('data');
      perform(text.slice(0, end).trim().split(/\s+/)).then(
        (answer) => connection.end(`ok ${answer}\n`),
        (error: unknown) => connection.end(`error ${error instanceof Error ? error.message : String(error)}\n`),
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

/** Sends one order to the rack behind that socket and gives its answer; LabError with its refusal. */
export async function sendOrder(path: string, order: string[]): Promise<string> {
  const answer = await new Promise<string>((resolve, reject) => {
    const connection = connect(path);
    let text = '';
    connection.setEncoding('utf8');
    connection.on('connect', () => connection.write(`${order.join(' ')}\n`));
    connection.on('data', (chunk: string) => (text += chunk));
    connection.on('close', () => resolve(text.trim()));
    connection.on('error', (error) =>
      reject(
        new LabError(`the rack behind ${path} does not answer: ${error.message}`, 'Start one with: firstlight lab up'),
      ),
    );
  });
  if (answer === 'ok' || answer.startsWith('ok ')) return answer.slice(3);
  throw new LabError(
    `the rack refused "${order.join(' ')}": ${answer.replace(/^error /, '')}`,
    'See: firstlight lab list',
  );
}
