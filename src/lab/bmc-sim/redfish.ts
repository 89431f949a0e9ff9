import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { refuse, type SimRequest } from './redfish-answer.ts';
import { type Certificate, makeCertificate } from './redfish-certificate.ts';
import { type Fault, Faults, type FaultWorld } from './redfish-faults.ts';
import { readRequest, sendAnswer } from './redfish-http.ts';
import { makeSystem, type SimModel, type SimSlot, type SimSystem } from './redfish-model.ts';
import { serveRequest } from './redfish-service.ts';
import { Sessions } from './redfish-sessions.ts';

/** Everything has a default: `openRedfishSim()` is a BMC with one machine, which is off. */
export type RedfishSimOptions = {
  /** Where it listens: 127.0.0.1 by default. Many BMCs can have an address each, 127.0.1.1 and so on, and one port. */
  address?: string;
  /** A free one by default. */
  port?: number;
  /** Passwords by user; `admin` with `s3cret` by default. */
  users?: Readonly<Record<string, string>>;
  /** Sessions at once; 4 by default. */
  slots?: number;
  /** What differs from the System that `makeSystem` makes up, one entry per System; one System by default. */
  systems?: readonly Partial<SimSystem>[];
  /** Virtual drives, one entry each: by default one for floppies, which takes no ISO image, and one for CDs. */
  media?: readonly Partial<SimSlot>[];
  /** What root and manager say that the BMC is; quirks are chosen by it. `Firstlight`, `Simulated BMC` and `SIM` by default. */
  vendor?: string;
  product?: string;
  managerModel?: string;
  /** What goes wrong from the start; `faults.add` of the open BMC adds more. */
  faults?: readonly Fault[];
  /** One that all BMCs of a process share by default, for each costs as much to make as all else of a BMC. */
  certificate?: Certificate;
  /** `old`: has TLS 1.0 and 1.1 only (R17). */
  tls?: 'modern' | 'old';
  /** How many requests `asked`, `headers` and `written` remember; 2000 by default. Some kB each, so fewer for hundreds of BMCs. */
  remember?: number;
  /** Told after each reset, with its ResetType: the rack starts and stops a real machine by it. */
  onReset?: SimModel['onReset'];
};

/** An open BMC: where it is, what it is, and what it was asked. */
export type RedfishSim = {
  address: string;
  port: number;
  /** Its machines and drives, to be looked at and changed. */
  model: SimModel;
  faults: Faults;
  /** Method and URL of each of the last requests, oldest first. */
  asked: string[];
  /** Headers of each of them, in the same order. */
  headers: SimRequest['headers'][];
  /** Bodies of what was written, oldest first. */
  written: SimRequest['body'][];
  /** How many requests ever came. */
  requestCount: () => number;
  openSessions: () => number;
  /** Ends every session, as time does. */
  expireSessions: () => void;
  /** How many sessions were ever opened. */
  madeSessions: () => number;
  /** The most requests that were in flight at once. */
  mostAtOnce: () => number;
  stop: () => Promise<void>;
};

/**
 * A BMC of ours that speaks Redfish over HTTPS, does what it is told to a small model, and goes wrong where it is told to. It is
 * one server on a socket of its own, less than a millisecond of work and some 50 kB, so hundreds fit in a process.
 */
export async function openRedfishSim(options: RedfishSimOptions = {}): Promise<RedfishSim> {
  const { address = '127.0.0.1', remember = 2000 } = options;
  const model = makeModel(options);
  const sessions = new Sessions(options.users ?? { admin: 's3cret' }, options.slots ?? 4);
  const faults = new Faults();
  for (const fault of options.faults ?? []) faults.add(fault);
  const world: FaultWorld = { model, sessions, tasks: new Map() };
  const asked: string[] = [];
  const headers: SimRequest['headers'][] = [];
  const written: SimRequest['body'][] = [];
  let requests = 0;
  let inFlight = 0;
  let mostAtOnce = 0;

  function keep<T>(record: T[], entry: T): void {
    record.push(entry);
    if (record.length > remember) record.shift();
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    requests += 1;
    keep(asked, `${incoming.method} ${incoming.url}`);
    keep(headers, incoming.headers);
    inFlight += 1;
    mostAtOnce = Math.max(mostAtOnce, inFlight);
    response.on('close', () => {
      inFlight -= 1;
    });
    const request = await readRequest(incoming);
    if (Object.keys(request.body).length > 0) keep(written, request.body);
    const delayMs = faults.delayMs(request);
    if (delayMs > 0) await sleep(delayMs);
    const verdict = faults.before(request, world) ?? faults.after(serveRequest(world, request), request, world);
    if (verdict === 'hang') return;
    if (verdict === 'reset') incoming.socket.destroy();
    else sendAnswer(response, verdict);
  }

  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const certificate = options.certificate ?? shareCertificate();
  const server = createServer(options.tls === 'old' ? { ...certificate, ...old } : certificate);
  server.on('request', (incoming, response) => {
    serve(incoming, response).catch((error: Error) =>
      sendAnswer(response, refuse(500, 'InternalError', error.message)),
    );
  });
  // A client that goes away in its handshake, as one does that does not like the certificate.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(options.port ?? 0, address, resolve);
  });
  return {
    address,
    port: (server.address() as AddressInfo).port,
    model,
    faults,
    asked,
    headers,
    written,
    requestCount: () => requests,
    openSessions: () => sessions.ids.length,
    expireSessions: () => {
      for (const id of sessions.ids) sessions.delete(id);
    },
    madeSessions: () => sessions.made,
    mostAtOnce: () => mostAtOnce,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function makeModel({ systems = [{}], media = DRIVES, ...options }: RedfishSimOptions): SimModel {
  const model: SimModel = {
    vendor: options.vendor ?? 'Firstlight',
    product: options.product ?? 'Simulated BMC',
    managerModel: options.managerModel ?? 'SIM',
    firmware: '1.2.3',
    systems: systems.map((given, index) => makeSystem(index + 1, given)),
    slots: media.map((given, index) => ({
      id: `CD${index + 1}`,
      types: ['CD', 'DVD'],
      image: null,
      canInsert: true,
      ...given,
    })),
    done: [],
  };
  return options.onReset ? { ...model, onReset: options.onReset } : model;
}

const DRIVES: readonly Partial<SimSlot>[] = [{ id: 'Floppy1', types: ['Floppy', 'USBStick'] }, { id: 'CD1' }];

let shared: Certificate | undefined;

function shareCertificate(): Certificate {
  shared ??= makeCertificate('firstlight-bmc-sim', Date.now());
  return shared;
}
