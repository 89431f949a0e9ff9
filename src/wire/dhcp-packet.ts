import { type Ipv4, ipv4FromBytes, ipv4ToNumber } from './address.ts';
import { textFromBytes, textToBytes, WireError, Writer } from './bytes.ts';
import { messageType } from './dhcp-shapes.ts';

/** A DHCPv4 message (RFC 2131 2). Only the bytes are judged here: what they mean is `dhcp/`'s affair. */
export type DhcpPacket = {
  op: 'request' | 'reply';
  htype: number;
  hops: number;
  xid: number;
  secs: number;
  broadcast: boolean;
  ciaddr: Ipv4;
  yiaddr: Ipv4;
  siaddr: Ipv4;
  giaddr: Ipv4;
  /** The hardware address, as long as `hlen` says: 0 to 16 bytes, most often 6. */
  chaddr: Buffer;
  /** At most 63 characters of one byte each; '' when the field carried options. */
  sname: string;
  /** At most 127 characters of one byte each; '' when the field carried options. */
  file: string;
  /** Raw values by code, in the order of the first appearance, parts joined (RFC 3396). Never 0, 52 or 255: those
   *  describe the layout. Values decoded from the wire are views of the datagram. */
  options: Map<number, Buffer>;
};

/** How much room an answer has. */
export type EncodeLimits = {
  /** The most bytes the answer may have, see dhcpReplyLimit. Less than 300 counts as 300. */
  maxSize?: number;
  /** May options that do not fit go into `file` and `sname` when those are empty (RFC 2131 4.1, option 52)? Not for
   *  PXE ROMs: many of them read these fields only as names. */
  overload?: boolean;
};

/** A message as it is sent. */
export type EncodedDhcp = {
  bytes: Buffer;
  /** Codes of the options that did not fit, most important first. Empty nearly always: whoever sends should tell. */
  dropped: number[];
};

const fixedSize = 236;
const cookie = 0x63825363;
const optionsStart = fixedSize + 4;
/** No client sends more; what does is not worth a walk. */
const largestPacket = 4096;
/** RFC 951: BOOTP messages have 300 bytes. Linux's own client and many ROMs drop shorter ones. */
const smallestReply = 300;
const sname = { start: 44, length: 64 };
const file = { start: 108, length: 128 };

/** The message, or WireError and nothing else thrown, for any bytes.
 *  Broken options are left out and the packet lives (as in Kea and dnsmasq), except that a broken message type (53) or
 *  server identifier (54) would turn the packet into another one: those reject it. */
export function decodeDhcp(bytes: Buffer): DhcpPacket {
  if (bytes.length < optionsStart) {
    throw new WireError(
      'truncated',
      'packet',
      bytes.length,
      `a DHCP packet has 240 bytes or more, not ${bytes.length}`,
    );
  }
  if (bytes.length > largestPacket) {
    throw new WireError('oversized', 'packet', largestPacket, `a DHCP packet of ${bytes.length} bytes is too long`);
  }
  const op = bytes[0] as number;
  if (op !== 1 && op !== 2) throw new WireError('malformed', 'op', 0, `op ${op} is neither request nor reply`);
  const htype = bytes[1] as number;
  const hlen = bytes[2] as number;
  if (hlen > 16) throw new WireError('malformed', 'hlen', 2, `hlen ${hlen} is more than the 16 bytes of chaddr`);
  if (htype === 0 && hlen !== 0) throw new WireError('malformed', 'htype', 1, `htype 0 with an hlen of ${hlen}`);
  if (bytes.readUInt32BE(fixedSize) !== cookie) {
    throw new WireError('malformed', 'cookie', fixedSize, 'the magic cookie 63825363 is missing: not DHCP');
  }
  const { options, overload } = decodeOptions(bytes);
  return {
    op: op === 1 ? 'request' : 'reply',
    htype,
    hops: bytes[3] as number,
    xid: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    broadcast: (bytes.readUInt16BE(10) & 0x8000) !== 0,
    ciaddr: ipv4FromBytes(bytes, 12),
    yiaddr: ipv4FromBytes(bytes, 16),
    siaddr: ipv4FromBytes(bytes, 20),
    giaddr: ipv4FromBytes(bytes, 24),
    chaddr: bytes.subarray(28, 28 + hlen),
    sname: overload & 2 ? '' : headerText(bytes, sname),
    file: overload & 1 ? '' : headerText(bytes, file),
    options,
  };
}

/** The bytes of the message: 53, 54, 51, the rest in the map's order, 82 last (RFC 3046 2.1), 255, zeros up to 300.
 *  When there is more than fits, the map's order is the order of importance, after what no reply can miss (`needs`).
 *  WireError 'unencodable' when a field of the header cannot carry its value. */
export function encodeDhcp(packet: DhcpPacket, limits: EncodeLimits = {}): EncodedDhcp {
  const maxSize = Math.max(limits.maxSize ?? dhcpReplyLimit(), smallestReply);
  const plan = planOptions(packet, maxSize, limits.overload ?? false);
  const out = new Writer(Math.max(smallestReply, optionsStart + plan.main.size + (plan.overload > 0 ? 3 : 0) + 1));
  if (packet.chaddr.length > 16) {
    throw new WireError('unencodable', 'chaddr', 28, `chaddr has ${packet.chaddr.length} bytes, 16 are the most`);
  }
  out
    .u8(packet.op === 'request' ? 1 : 2, 'op')
    .u8(packet.htype, 'htype')
    .u8(packet.chaddr.length, 'hlen');
  out
    .u8(packet.hops, 'hops')
    .u32(packet.xid, 'xid')
    .u16(packet.secs, 'secs')
    .u16(packet.broadcast ? 0x8000 : 0, 'flags');
  out.u32(ipv4ToNumber(packet.ciaddr), 'ciaddr').u32(ipv4ToNumber(packet.yiaddr), 'yiaddr');
  out.u32(ipv4ToNumber(packet.siaddr), 'siaddr').u32(ipv4ToNumber(packet.giaddr), 'giaddr');
  out.put(packet.chaddr, 'chaddr').skip(16 - packet.chaddr.length, 'chaddr');
  putField(out, packet, plan.sname, packet.sname, sname);
  putField(out, packet, plan.file, packet.file, file);
  out.u32(cookie, 'cookie');
  for (const code of plan.main.codes) putOption(out, code, packet.options.get(code) as Buffer);
  if (plan.overload > 0) putOption(out, 52, Buffer.of(plan.overload));
  if (plan.last !== undefined) putOption(out, 82, plan.last);
  out.u8(255, 'end');
  if (out.offset < smallestReply) out.skip(smallestReply - out.offset, 'padding');
  return { bytes: out.done(), dropped: plan.dropped };
}

/** The most UDP payload a client takes, from its option 57, which counts the IP and UDP headers. RFC 2131 4.1: 576 is the
 *  least it may say. OVMF 2022.11 says 65280 in its REQUEST and has a buffer of 1472, one Ethernet frame. */
export function dhcpReplyLimit(maxMessageSize = 576): number {
  return Math.min(Math.max(maxMessageSize, 576) - 28, 1472);
}

function decodeOptions(bytes: Buffer): { options: Map<number, Buffer>; overload: number } {
  const walk: Walk = { options: new Map(), parts: new Map(), offsets: new Map() };
  walkOptions(bytes, optionsStart, bytes.length, walk);
  const mark = walk.options.get(52);
  const overload = mark?.length === 1 && !walk.parts.has(52) && (mark[0] as number) <= 3 ? (mark[0] as number) : 0;
  walk.options.delete(52);
  // RFC 3396 5: options, then file, then sname. One level: what these say about overload is deleted below.
  if (overload & 1) walkOptions(bytes, file.start, file.start + file.length, walk);
  if (overload & 2) walkOptions(bytes, sname.start, sname.start + sname.length, walk);
  walk.options.delete(52);
  for (const [code, parts] of walk.parts) if (walk.options.has(code)) walk.options.set(code, Buffer.concat(parts));
  const type = walk.options.get(53);
  if (type !== undefined && messageType.decode(type) === undefined) {
    const value = type.toString('hex', 0, 8);
    throw new WireError('malformed', 'messageType', walk.offsets.get(53) ?? 0, `0x${value} is no DHCP message type`);
  }
  const server = walk.options.get(54);
  if (server !== undefined && server.length !== 4) {
    const at = walk.offsets.get(54) ?? 0;
    throw new WireError('malformed', 'serverId', at, `a server identifier of ${server.length} bytes, not 4`);
  }
  return { options: walk.options, overload };
}

/** `options` has the first part of each option, `parts` all parts of those that came more than once. */
type Walk = { options: Map<number, Buffer>; parts: Map<number, Buffer[]>; offsets: Map<number, number> };

function walkOptions(bytes: Buffer, start: number, end: number, { options, parts, offsets }: Walk): void {
  for (let at = start; at < end; ) {
    const code = bytes[at] as number;
    if (code === 255) return;
    if (code === 0) {
      at += 1;
      continue;
    }
    if (at + 1 >= end) return;
    const next = at + 2 + (bytes[at + 1] as number);
    if (next > end) return;
    const part = bytes.subarray(at + 2, next);
    const first = options.get(code);
    if (first === undefined) {
      options.set(code, part);
      if (code === 53 || code === 54) offsets.set(code, at);
    } else {
      const list = parts.get(code);
      if (list === undefined) parts.set(code, [first, part]);
      else list.push(part);
    }
    at = next;
  }
}

/** A name in the header ends at its first NUL; the last byte is always one (RFC 2131 2). */
function headerText(bytes: Buffer, { start, length }: { start: number; length: number }): string {
  if (bytes[start] === 0) return '';
  return textFromBytes(bytes.subarray(start, start + length - 1));
}

type Area = { codes: number[]; size: number; room: number };
type Plan = { main: Area; file: Area; sname: Area; last: Buffer | undefined; overload: number; dropped: number[] };

/** What no reply can miss: 0 the protocol itself and the relay's echo, 1 the boot and the identity (RFC 6842), 2 the rest. */
const needs = new Map([
  [53, 0],
  [54, 0],
  [51, 0],
  [82, 0],
  [61, 1],
  [60, 1],
  [43, 1],
  [97, 1],
  [67, 1],
]);
const comeFirst = [53, 54, 51];

function planOptions(packet: DhcpPacket, maxSize: number, mayOverload: boolean): Plan {
  const wanted = codesInOrder(packet.options);
  const room = maxSize - optionsStart - 1;
  const total = wanted.reduce((sum, code) => sum + optionSize(packet, code), 0);
  if (total <= room) return placeAll(packet, wanted, total);
  if (!mayOverload) return placeOptions(packet, wanted, room, 0, 0);
  const plan = placeOptions(
    packet,
    wanted,
    room - 3,
    packet.file ? 0 : file.length - 1,
    packet.sname ? 0 : sname.length - 1,
  );
  return plan.overload > 0 ? plan : placeOptions(packet, wanted, room, 0, 0);
}

function codesInOrder(options: ReadonlyMap<number, Buffer>): number[] {
  const codes = comeFirst.filter((code) => options.has(code));
  for (const code of options.keys())
    if (code > 0 && code < 255 && code !== 52 && !comeFirst.includes(code)) codes.push(code);
  return codes;
}

/** As nearly always, there is room for everything. */
function placeAll(packet: DhcpPacket, wanted: number[], size: number): Plan {
  const none: Area = { codes: [], size: 0, room: 0 };
  const codes = wanted.filter((code) => code !== 82);
  const last = packet.options.get(82);
  return { main: { codes, size, room: size }, file: none, sname: none, last, overload: 0, dropped: [] };
}

/** Each option goes, whole, to the first area with room for it, the important ones first; the order inside an area is
 *  the order wanted. 82 stays in the main area: it is the last of the packet's options there. */
function placeOptions(packet: DhcpPacket, wanted: number[], room: number, fileRoom: number, snameRoom: number): Plan {
  const main: Area = { codes: [], size: 0, room };
  const inFile: Area = { codes: [], size: 0, room: fileRoom };
  const inSname: Area = { codes: [], size: 0, room: snameRoom };
  const places = new Map<number, Area>();
  const dropped: number[] = [];
  const byNeed = wanted.toSorted((a, b) => (needs.get(a) ?? 2) - (needs.get(b) ?? 2));
  for (const code of byNeed) {
    const size = optionSize(packet, code);
    const area = [main, inFile, inSname].find((one) => one.size + size <= one.room && (code !== 82 || one === main));
    if (area === undefined) dropped.push(code);
    else {
      area.size += size;
      places.set(code, area);
    }
  }
  for (const code of wanted) if (code !== 82) places.get(code)?.codes.push(code);
  const last = places.has(82) ? packet.options.get(82) : undefined;
  const overload = (inFile.codes.length > 0 ? 1 : 0) | (inSname.codes.length > 0 ? 2 : 0);
  return { main, file: inFile, sname: inSname, last, overload, dropped };
}

/** RFC 3396 6: every 255 bytes need a code and a length of their own. */
function optionSize(packet: DhcpPacket, code: number): number {
  const length = (packet.options.get(code) as Buffer).length;
  return length + 2 * Math.max(1, Math.ceil(length / 255));
}

function putOption(out: Writer, code: number, value: Buffer): void {
  if (value.length <= 255) {
    out.u8(code, 'option code').u8(value.length, 'option length').put(value, 'option');
    return;
  }
  let at = 0;
  do {
    const part = value.subarray(at, at + 255);
    out.u8(code, 'option code').u8(part.length, 'option length').put(part, 'option');
    at += 255;
  } while (at < value.length);
}

function putField(
  out: Writer,
  packet: DhcpPacket,
  area: Area,
  text: string,
  field: { start: number; length: number },
): void {
  const end = field.start + field.length;
  if (area.codes.length > 0) {
    for (const code of area.codes) putOption(out, code, packet.options.get(code) as Buffer);
    out.u8(255, 'end');
  } else {
    const name = field === file ? 'file' : 'sname';
    if (text.length > field.length - 1) {
      throw new WireError(
        'unencodable',
        name,
        field.start,
        `${name} has ${text.length} characters, ${field.length - 1} are the most`,
      );
    }
    if (text !== '') out.put(textToBytes(text, name), name);
  }
  out.skip(end - out.offset, 'padding');
}
