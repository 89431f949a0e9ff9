import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { type Clock, wallClock } from '../../model/time.ts';
import { WireError } from '../../wire/bytes.ts';
import { COMPLETION, decodeRequest, encodeResponse, type IpmiRequest, PRIVILEGE } from '../../wire/ipmi.ts';
import type { DeviceId } from '../../wire/ipmi-device.ts';
import { decodeSessionPacket, encodeSessionPacket } from '../../wire/ipmi-packet.ts';
import { closeSession } from '../../wire/ipmi-session.ts';
import type { CipherSuite } from '../../wire/rakp.ts';
import * as rmcp from '../../wire/rmcp.ts';
import { HANDLERS, handlerKey } from './ipmi-commands.ts';
import { fillMachine, INVENTORIES, RECORDS } from './ipmi-contents.ts';
import { createCarrier, type Faults, spendFault } from './ipmi-faults.ts';
import { SILENCE, type SimContext } from './ipmi-handler.ts';
import { SimMachine } from './ipmi-machine.ts';
import { SimSerial } from './ipmi-serial.ts';
import { type SimSession, SimSessions, type SimUser } from './ipmi-sessions.ts';

export type IpmiBmcOptions = {
  /** The IPv4 address it listens on: 127.0.0.1 by default. Linux has all of 127.0.0.0/8, so that many may have port 623. */
  address?: string;
  /** The UDP port it listens on: a free one by default. */
  port?: number;
  /** By name: password and highest privilege. `admin` with the password `s3cret`, an ADMINISTRATOR, by default. */
  users?: Readonly<Record<string, SimUser>>;
  /** The cipher suites it takes: 3 and 17 by default. */
  suites?: readonly CipherSuite[];
  /** Sessions at once, logins that are under way included: 4 by default. */
  slots?: number;
  /** Of the system, 16 bytes as they go over the wire; the same for every BMC by default. */
  guid?: Buffer;
  /** What is to be other than in a Supermicro with firmware 3.88. */
  device?: Partial<DeviceId>;
  /** What it does wrong, as `parseFaults` makes it from words; may be changed while it runs. None by default. */
  faults?: Faults;
  /** Completion codes by command name, used up one by one before the command is done at all. */
  completions?: Readonly<Record<string, number[]>>;
  /** Tells when sessions, boot flags and changes of power are over: the time of day by default. */
  clock?: Clock;
};

/** A BMC on a UDP port. What it is told changes `machine`; what it does wrong is in `faults`. */
export type IpmiBmc = {
  /** Where it listens. */
  address: string;
  port: number;
  machine: SimMachine;
  sessions: SimSessions;
  serial: SimSerial;
  faults: Faults;
  /** Datagrams that came in and went out. */
  datagrams: { in: number; out: number };
  stop(): Promise<void>;
};

const USERS = { admin: { password: 's3cret', privilege: PRIVILEGE.administrator } };
const GUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const DEVICE: DeviceId = {
  manufacturer: 10876,
  product: 2327,
  firmware: '3.88',
  ipmiVersion: '2.0',
  isUpdating: false,
  hasSdrRepository: true,
  hasDeviceSdrs: false,
};

/**
 * Starts a BMC that speaks RMCP+ with cipher suites 3 and 17. It is one socket and some kilobytes, and has no timer unless
 * it is told to be slow or somebody has its console: a process has room for thousands. Rejects when it cannot have its
 * address and port.
 */
export async function startIpmiBmc(options: IpmiBmcOptions = {}): Promise<IpmiBmc> {
  const { address = '127.0.0.1', suites = [3, 17], guid = GUID, clock = wallClock, faults = new Map() } = options;
  const machine = new SimMachine(clock, faults);
  fillMachine(machine);
  const users = options.users ?? USERS;
  const sessions = new SimSessions({ users, suites, slots: options.slots ?? 4, guid, clock, faults });
  const consoles = new WeakMap<SimSession, RemoteInfo>();
  const serial = new SimSerial(faults, (session, payload) => {
    const console = consoles.get(session);
    if (console) send(encodeInSession(session, rmcp.PAYLOAD.sol, payload), console);
  });
  const datagrams = { in: 0, out: 0 };
  const carry = createCarrier(faults);
  const socket = createSocket('udp4');
  const context: Omit<SimContext, 'session'> = {
    machine,
    sessions,
    serial,
    storage: { records: RECORDS, inventories: INVENTORIES, sdrReservation: 0, selReservation: 0, reads: 0 },
    suites,
    guid,
    device: { ...DEVICE, ...options.device },
    faults,
    port: 0,
  };

  function send(body: Buffer, to: RemoteInfo, kind: 'ipmi' | 'asf' = 'ipmi'): void {
    const datagram = rmcp.encodeRmcp({ class: kind, body });
    for (let times = carry(); times > 0; times--) {
      datagrams.out += 1;
      socket.send(datagram, to.port, to.address);
    }
  }

  function receive(datagram: Buffer, from: RemoteInfo): void {
    try {
      const { class: kind, body } = rmcp.decodeRmcp(datagram);
      if (kind === 'asf') return answerPing(body, from);
      // 13.6: bytes 2 to 5 of an RMCP+ packet are the session's id.
      const session = body.length >= 6 ? sessions.find(body.readUInt32LE(2)) : undefined;
      if (session) return receiveInSession(session, body, from);
      const answer = answerOutside(body);
      if (answer) later(() => send(answer, from));
    } catch (error) {
      if (!(error instanceof WireError)) throw error; // what cannot be read gets no answer
    }
  }

  function answerPing(body: Buffer, from: RemoteInfo): void {
    const { type, tag } = rmcp.decodeAsf(body);
    if (type === 'ping') send(rmcp.encodeAsf({ type: 'pong', tag, speaksIpmi: true }), from, 'asf');
  }

  function later(act: () => void): void {
    const ms = faults.get('slow') ?? 0;
    if (ms === 0) act();
    else setTimeout(() => !isStopped && act(), ms).unref();
  }

  function receiveInSession(session: SimSession & Required<Pick<SimSession, 'keys'>>, body: Buffer, from: RemoteInfo) {
    const packet = decodeSessionPacket(session.keys, body);
    if (!session.seen.take(packet.sequence)) return;
    consoles.set(session, from);
    if (packet.payloadType === rmcp.PAYLOAD.sol) return serial.receive(session, packet.message);
    const request = decodeRequest(packet.message);
    const message = answerCommand(request, session);
    if (message) later(() => send(encodeInSession(session, rmcp.PAYLOAD.ipmi, message), from));
    if (request.netFn === closeSession.netFn && request.command === closeSession.command) {
      sessions.close(session.facts.bmcId);
    }
  }

  function encodeInSession(session: SimSession, payloadType: number, message: Buffer): Buffer {
    const packet = { payloadType, sessionId: session.facts.consoleId, sequence: session.sequence++, message };
    return encodeSessionPacket(session.keys!, packet, randomBytes(16));
  }

  /** The answer to what is no packet of a session: a login, or one of the few commands that need none. */
  function answerOutside(body: Buffer): Buffer | undefined {
    const packet = rmcp.decodeIpmi(body, 0);
    if (packet.version === '1.5') {
      if (faults.has('no-1.5')) return undefined;
      const payload = answerCommand(decodeRequest(packet.payload), undefined);
      return payload && rmcp.encodeIpmi15({ sessionId: 0, sequence: 0, payload });
    }
    if (faults.has('only-1.5') || packet.sessionId !== 0) return undefined;
    const reply =
      packet.payloadType === rmcp.PAYLOAD.ipmi
        ? ([rmcp.PAYLOAD.ipmi, answerCommand(decodeRequest(packet.payload), undefined)] as const)
        : sessions.answer(packet.payloadType, packet.payload);
    const [payloadType, payload] = reply ?? [];
    if (payloadType === undefined || !payload) return undefined;
    return rmcp.encodeIpmi20({ payloadType, encrypted: false, sessionId: 0, sequence: 0, payload });
  }

  /** The answer to a command, or undefined for silence. */
  function answerCommand(request: IpmiRequest, session: SimSession | undefined): Buffer | undefined {
    const answer = (completion: number, data: Buffer = Buffer.alloc(0)) =>
      encodeResponse({ ...request, completion, data });
    const row = HANDLERS.get(handlerKey(request.netFn, request.command));
    if (!row) return session && answer(COMPLETION.invalidCommand);
    const { command } = row;
    // Outside of a session a BMC says nothing about what needs one.
    if (!session && command.privilege !== PRIVILEGE.none) return undefined;
    if (session && command.privilege > session.privilege) return answer(COMPLETION.insufficientPrivilege);
    const planned = options.completions?.[command.name]?.shift();
    if (planned !== undefined) return answer(planned);
    if (session && command !== closeSession && spendFault(faults, 'busy')) return answer(COMPLETION.nodeBusy);
    const result = handleOrRefuse(() =>
      row.handle(command.decodeRequest(request.data) as never, { ...context, session }),
    );
    if (result === SILENCE) return undefined;
    return typeof result === 'number' ? answer(result) : answer(COMPLETION.ok, command.encodeResponse(result));
  }

  let isStopped = false;
  socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
    datagrams.in += 1;
    for (let times = carry(); times > 0; times--) receive(datagram, from);
  });
  socket.on('error', () => {}); // an ICMP answer to a console that went away
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(options.port ?? 0, address, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  context.port = socket.address().port;
  return {
    address,
    port: context.port,
    machine,
    sessions,
    serial,
    faults,
    datagrams,
    async stop() {
      isStopped = true;
      serial.deactivate(serial.session);
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

/** A request that cannot be read is one of a wrong length, as far as a BMC can say. */
function handleOrRefuse(handle: () => unknown): unknown {
  try {
    return handle();
  } catch (error) {
    if (error instanceof WireError)
      return error.code === 'truncated' ? COMPLETION.wrongLength : COMPLETION.invalidField;
    throw error;
  }
}
