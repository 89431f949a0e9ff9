import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './error.ts';

export type QmpEvent = { event: string; data?: Record<string, unknown> };

type QmpMessage = Partial<QmpEvent> & {
  id?: number;
  QMP?: unknown;
  return?: unknown;
  error?: { class: string; desc: string };
};

type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** One QEMU's monitor (docs/interop/qmp-spec.txt): commands with their answers, and events. */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /** Connects as soon as QEMU listens; gives up when `isAlive` says that it has ended. */
  static async open(path: string, isAlive: () => boolean, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
    const deadline = Date.now() + 60_000;
    while (isAlive() && Date.now() < deadline) {
      const socket = await tryConnect(path);
      if (socket) {
        const qmp = new Qmp(socket, onEvent);
        await qmp.execute('qmp_capabilities');
        return qmp;
      }
      await sleep(10);
    }
    throw new LabError(`QEMU does not answer at ${path}`, 'Its complaint is in qemu.log beside it');
  }

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as QmpMessage;
      if (message.event !== undefined) onEvent(message as QmpEvent);
      if (message.id !== undefined) this.#settle(message.id, message);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(ended());
      this.#waiting.clear();
    });
  }

  execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(ended());
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(id: number, message: QmpMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (message.error) waiting?.reject(new LabError(`QEMU refused: ${message.error.desc}`, 'See qemu.log'));
    else waiting?.resolve(message.return);
  }
}

function ended(): LabError {
  return new LabError('the machine was switched off meanwhile', 'Ask for its power state');
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined));
  });
}
