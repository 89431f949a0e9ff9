import { connect, createServer, type Socket } from 'node:net';
import { LabError } from './error.ts';

/** How often a machine that is off is tried again while somebody listens to its serial port. */
const RETRY_MS = 100;

export type SerialPort = { port: number; close: () => void };

/**
 * A machine's serial port for its BMC: whoever connects to `address` by TCP is joined with the machine's own socket, again each
 * time the machine starts. What is typed while it is off is lost, as on a cable.
 */
export async function openSerialPort(consoleSocket: string, address: string): Promise<SerialPort> {
  const listeners = new Set<() => void>();
  const server = createServer((listener) => {
    const leave = join(listener, consoleSocket);
    listeners.add(leave);
    listener.once('close', () => listeners.delete(leave));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new LabError(`no serial port at ${address}: ${error.message}`, 'See whether that address is there')),
    );
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : 0,
    close() {
      for (const leave of listeners) leave();
      server.close();
    },
  };
}

/** Joins both ends until the listener goes. Gives what ends it at once. */
function join(listener: Socket, consoleSocket: string): () => void {
  let machine: Socket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  function dial(): void {
    const socket = connect(consoleSocket);
    machine = socket;
    socket.on('data', (bytes: Buffer) => void listener.write(bytes));
    socket.on('error', () => undefined); // the machine is off, or was switched off: the close tells
    socket.once('close', () => {
      machine = undefined;
      if (!isOver) timer = setTimeout(dial, RETRY_MS);
    });
  }
  function leave(): void {
    isOver = true;
    clearTimeout(timer);
    machine?.destroy();
    listener.destroy();
  }

  listener.on('data', (bytes: Buffer) => {
    if (machine && !machine.connecting) machine.write(bytes);
  });
  listener.on('error', () => undefined);
  listener.once('close', leave);
  dial();
  return leave;
}
