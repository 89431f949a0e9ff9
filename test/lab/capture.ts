import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Ipv4, ipv4FromBytes, type Mac, macFromBytes } from '../../src/wire/address.ts';
import { WireError } from '../../src/wire/bytes.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp } from '../../src/wire/dhcp-packet.ts';
import type { MessageType } from '../../src/wire/dhcp-shapes.ts';
import { until } from './rig.ts';
import { logged, startIn } from './wires.ts';

/** A DHCP message as it went over the wire, and who put it there. */
export type SeenMessage = {
  fromMac: Mac;
  toMac: Mac;
  from: Ipv4;
  to: Ipv4;
  fromPort: number;
  toPort: number;
  type: MessageType;
  /** The client's hardware address, of chaddr. */
  client: Mac;
  packet: DhcpPacket;
};

/** tcpdump on one card, into `file`, until `stop`. What has come so far can be read at any time. */
export class Capture {
  readonly file: string;
  readonly #program: ReturnType<typeof startIn>;

  private constructor(file: string, program: ReturnType<typeof startIn>) {
    this.file = file;
    this.#program = program;
  }

  static async open(namespace: string, card: string, file: string, filter = ''): Promise<Capture> {
    const words = ['-i', card, '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', file, ...filter.split(' ')];
    const program = startIn(
      namespace,
      `${file}.log`,
      'tcpdump',
      words.filter((word) => word !== ''),
    );
    await logged(program, /listening on/);
    return new Capture(file, program);
  }

  /** The DHCP messages, of ports 67, 68 and 4011, in their order. */
  messages(): SeenMessage[] {
    return [...readFrames(readFileSync(this.file))].flatMap((frame) => decodeFrame(frame) ?? []);
  }

  /** Waits for a message, looked for after the first `since` ones. */
  async message(what: string, is: (message: SeenMessage) => boolean, since = 0, seconds = 60): Promise<SeenMessage> {
    return until(what, seconds, async () => this.messages().slice(since).find(is)).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.messages().slice(since).map(describeMessage).join('\n')}`);
    });
  }

  async stop(): Promise<void> {
    await this.#program.stop('SIGINT');
  }

  /** What tshark finds wrong in the frames that `mac` sent; it must have sent some. */
  async assertWellFormed(mac: Mac): Promise<void> {
    const sent = await tshark(this.file, `eth.src == ${mac} && (dhcp || tftp)`);
    assert.notEqual(sent.length, 0, `${mac} sent nothing that tshark could judge`);
    const found = await tshark(this.file, `eth.src == ${mac} && (${FAULTS})`);
    assert.deepEqual(found, [], `tshark finds faults in ${this.file}`);
  }
}

/** Faults of the form. What is odd but well formed, such as a retransmission, has a lower severity. */
export const FAULTS = '_ws.malformed || _ws.unreassembled || _ws.expert.severity == "Error"';

/** The frames of a capture that a display filter lets through, one line each. */
export async function tshark(file: string, filter: string): Promise<string[]> {
  const words = ['-n', '-r', file, '-Y', filter, '-T', 'fields'];
  const fields = ['frame.number', '_ws.col.Info', '_ws.expert.message'].flatMap((field) => ['-e', field]);
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile('tshark', [...words, ...fields], { maxBuffer: 1 << 26 }, (error, out, complaint) =>
      error ? reject(new Error(`tshark -r ${file}: ${complaint}`)) : resolve(out),
    );
  });
  return stdout.split('\n').filter((line) => line !== '');
}

/** `DISCOVER 0.0.0.0 > 255.255.255.255 of 52:54:...`, for the message of a failure. */
export function describeMessage({ type, from, to, toPort, client, packet }: SeenMessage): string {
  const named = getOption(packet, 'serverId');
  return [
    `${type.toUpperCase()} ${from} > ${to}:${toPort} of ${client}`,
    packet.ciaddr === '0.0.0.0' ? '' : `ciaddr ${packet.ciaddr}`,
    packet.yiaddr === '0.0.0.0' ? '' : `yiaddr ${packet.yiaddr}`,
    packet.giaddr === '0.0.0.0' ? '' : `giaddr ${packet.giaddr}`,
    named === undefined ? '' : `server ${named}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** The frames of a pcap file of this host's byte order; a last one that is not yet whole is left out. */
function* readFrames(bytes: Buffer): Generator<Buffer> {
  for (let at = 24; at + 16 <= bytes.length; ) {
    const end = at + 16 + bytes.readUInt32LE(at + 8);
    if (end > bytes.length) return;
    yield bytes.subarray(at + 16, end);
    at = end;
  }
}

const PORTS = [67, 68, 4011];

function decodeFrame(frame: Buffer): SeenMessage | undefined {
  if (frame.length < 42 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) return undefined;
  const udp = 14 + (frame.readUInt8(14) & 0xf) * 4;
  const [fromPort, toPort] = [frame.readUInt16BE(udp), frame.readUInt16BE(udp + 2)];
  if (!PORTS.includes(toPort)) return undefined;
  try {
    const packet = decodeDhcp(frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)));
    const type = getOption(packet, 'messageType');
    if (!type) return undefined;
    return {
      toMac: macFromBytes(frame.subarray(0, 6)),
      fromMac: macFromBytes(frame.subarray(6, 12)),
      from: ipv4FromBytes(frame, 26),
      to: ipv4FromBytes(frame, 30),
      fromPort,
      toPort,
      type,
      client: macFromBytes(packet.chaddr),
      packet,
    };
  } catch (error) {
    if (error instanceof WireError) return undefined; // tshark says so too, see assertWellFormed
    throw error;
  }
}
