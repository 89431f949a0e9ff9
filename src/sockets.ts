/**
 * The only file that knows how sockets are opened on one interface, inside another network namespace, and with a port that
 * needs privilege. Node cannot do these three by itself, so libc is asked through koffi, and Node is handed the descriptors.
 */
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import koffi from 'koffi';
import { type BatchUdp, openBatchUdp } from './batch-udp.ts';
import type { Ipv4 } from './wire/address.ts';

const libc = koffi.load('libc.so.6');
const c = {
  socket: libc.func('int socket(int, int, int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  listen: libc.func('int listen(int, int)'),
  setns: libc.func('int setns(int, int)'),
  flock: libc.func('int flock(int, int)'),
};

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_DONT = 0;
const CLONE_NEWNET = 0x40000000;
const EADDRINUSE = 98;
const RECEIVE_BYTES = 1 << 20;
const LOCK_EX_NB = 2 | 4;

/** A socket that could not be opened: names the port, the interface, and who holds it. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
}

/** Everything one served interface needs, opened while we may. */
export type ServedSockets = {
  interface: string;
  address: Ipv4;
  /** Hears what is broadcast on this interface, port 67. Absent with `portTaken`. */
  dhcpBroadcast?: BatchUdp;
  /** Hears what is sent to our address, and sends everything: a broadcast leaves by the interface of its source address. */
  dhcp?: BatchUdp;
  /** Beside a foreign server on this very host: who has port 67. What is left to us is port 4011. */
  portTaken?: string;
  /** The same two for port 4011, where boot clients ask for their file. */
  pxeBroadcast: BatchUdp;
  pxe: BatchUdp;
  tftp: Socket;
  /** For one TFTP transfer each. Opened now, because later neither the namespace nor the privilege is there any more. */
  tftpTransfers: Socket[];
  /** A listening TCP socket for `server.listen({ fd })`. */
  httpFd: number;
};

export type ServeOptions = {
  interface: string;
  address: Ipv4;
  namespace?: string | undefined;
  httpPort: number;
  tftpTransfers: number;
  /** Beside a foreign DHCP server: its port 67 may be on this host. */
  proxy?: boolean;
};

/** Open the sockets of one interface, inside its namespace. Throws SocketError; nothing stays open then. */
export function openServedSockets(options: ServeOptions): ServedSockets {
  return inNamespace(options.namespace, () => {
    const { interface: device, address } = options;
    const fds: number[] = [];
    const udp = (
      what: string,
      on: Ipv4 | '0.0.0.0',
      port: number,
      extra: { device?: string; share?: 'now' | 'later' },
    ): number => {
      const fd = openFd({ what, type: SOCK_DGRAM, address: on, port, ...extra });
      fds.push(fd);
      return fd;
    };
    try {
      // The first one is bound without SO_REUSEADDR, so the kernel refuses it when anybody else has the port here. Only then is
      // sharing switched on, so that our own broadcast socket may stand beside it. Both are held to the interface: another
      // one may have another server.
      const pair = (what: string, port: number): [number, number] => [
        udp(what, address, port, { device, share: 'later' }),
        udp(what, '0.0.0.0', port, { device, share: 'now' }),
      ];
      const dhcp = openPair(() => pair('DHCP', 67), options.proxy ?? false);
      const [pxe, pxeBroadcast] = pair('PXE', 4011);
      const tftp = udp('TFTP', address, 69, {});
      const transfers = Array.from({ length: options.tftpTransfers }, () => udp('TFTP transfer', address, 0, {}));
      const httpFd = openFd({ what: 'HTTP', type: SOCK_STREAM, address, port: options.httpPort });
      fds.push(httpFd);
      if (c.listen(httpFd, 511) < 0) throw failure('listen on HTTP', address, options.httpPort);
      return {
        interface: device,
        address,
        ...(dhcp.fds
          ? { dhcp: openBatchUdp(dhcp.fds[0]), dhcpBroadcast: openBatchUdp(dhcp.fds[1]) }
          : { portTaken: dhcp.taken }),
        pxe: openBatchUdp(pxe),
        pxeBroadcast: openBatchUdp(pxeBroadcast),
        tftp: adopt(tftp),
        tftpTransfers: transfers.map(adopt),
        httpFd,
      };
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
  });
}

/** Port 67, which beside a foreign server may be that server's. */
function openPair(
  open: () => [number, number],
  mayBeTaken: boolean,
): { fds: [number, number] } | { fds?: undefined; taken: string } {
  try {
    return { fds: open() };
  } catch (error) {
    if (!mayBeTaken || !(error instanceof SocketError)) throw error;
    return { taken: error.message };
  }
}

/** Run `work` with this thread in a network namespace (a name of `ip netns`, or none), and come back. */
export function inNamespace<T>(namespace: string | undefined, work: () => T): T {
  if (namespace === undefined) return work();
  const own = openSync('/proc/self/ns/net', 'r');
  let other: number;
  try {
    other = openSync(`/run/netns/${namespace}`, 'r');
  } catch {
    closeSync(own);
    throw new SocketError(`there is no network namespace ${namespace} (list them with: ip netns)`);
  }
  try {
    if (c.setns(other, CLONE_NEWNET) < 0)
      throw new SocketError(`cannot enter network namespace ${namespace}: ${errorName(koffi.errno())}`);
    return work();
  } finally {
    if (c.setns(own, CLONE_NEWNET) < 0) {
      // the thread would go on in the wrong network: nothing it does from here on could be trusted
      console.error('cannot leave the network namespace again');
      process.exit(70);
    }
    closeSync(other);
    closeSync(own);
  }
}

/** Take the lock that keeps a second appliance from the same data; gone with the process. False when somebody has it. */
export function lockFile(fd: number): boolean {
  return c.flock(fd, LOCK_EX_NB) === 0;
}

type FdOptions = {
  what: string;
  type: number;
  address: string;
  port: number;
  device?: string;
  share?: 'now' | 'later';
};

function openFd(options: FdOptions): number {
  const { what, address, port, device } = options;
  const fd = c.socket(AF_INET, options.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) throw failure(`open a socket for ${what}`, address, port);
  try {
    if (device !== undefined) {
      const name = Buffer.from(`${device}\0`);
      if (c.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length) < 0)
        throw new SocketError(`cannot bind to interface ${device}: ${errorName(koffi.errno())} (is it there? ip link)`);
    }
    const isStream = options.type === SOCK_STREAM;
    // a stream socket needs it to be bound again while old connections fade; two listeners are refused all the same
    if (isStream || options.share === 'now') setFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!isStream) {
      setFlag(fd, SOL_SOCKET, SO_BROADCAST, 1);
      // past the limit that the host sets for everybody (net.core.rmem_max), as root may; some 1600 DHCP requests fit
      if (!setFlag(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)) setFlag(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES);
      setFlag(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT); // DF confuses some PXE ROMs (boot-protocols 0.4)
    }
    if (c.bind(fd, sockaddr(address, port), 16) < 0) throw failure(`bind ${what}`, address, port);
    if (options.share === 'later') setFlag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function setFlag(fd: number, level: number, option: number, value: number): boolean {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return c.setsockopt(fd, level, option, bytes, 4) === 0;
}

/**
 * struct sockaddr_in: family in the host's order (little-endian on every machine Node runs on), port and address in the net's. A raw
 * socket has no port: 0.
 */
export function sockaddr(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  address.split('.').forEach((part, index) => {
    bytes[4 + index] = Number(part);
  });
  return bytes;
}

/** Node's own socket around a descriptor. The listening event comes at once, so handlers of it would be too late here. */
function adopt(fd: number): Socket {
  const socket = createSocket('udp4');
  socket.bind({ fd });
  return socket;
}

function failure(doing: string, address: string, port: number): SocketError {
  const errno = koffi.errno();
  if (errno !== EADDRINUSE) return new SocketError(`cannot ${doing} ${address}:${port}: ${errorName(errno)}`);
  const holder = findHolder(port);
  return new SocketError(
    `cannot ${doing} ${address}:${port}: the port is taken by ${holder ?? 'another process'}; stop that one first, or serve another interface`,
  );
}

/** The kernel's name for it, like `EADDRINUSE`. */
export function errorName(errno: number): string {
  return Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`;
}

/** Who holds a port in this thread's namespace, as `NAME (process PID)`. */
export function findHolder(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['udp', 'tcp'])
    for (const line of readFileSync(`/proc/thread-self/net/${table}`, 'utf8').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${hex}`) && fields[9] !== undefined) inodes.add(`socket:[${fields[9]}]`);
    }
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (pid === String(process.pid)) continue;
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        if (inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return `${commandName(pid)} (process ${pid})`;
    } catch {
      // gone meanwhile, or not ours to look at
    }
  }
  return undefined;
}

/** `firstlight serve --data ...`, as the process was started. */
function commandName(pid: string): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    .split('\0')
    .filter((word) => word !== '');
  if (words.some((word) => word.endsWith('src/cli/main.ts'))) return 'another Firstlight';
  return words[0]?.split('/').at(-1) ?? 'a process';
}
