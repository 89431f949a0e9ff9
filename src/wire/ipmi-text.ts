// Texts as sensor records and FRU areas hold them: IPMI 2.0 43.15, FRU Information Storage Definition 1.0 section 13.

const BCD_PLUS = '0123456789 -.:,_';

/** How the bytes of a text are to be read: bits 7:6 of its type/length byte. */
const TEXT_TYPE = { binary: 0, bcdPlus: 1, sixBit: 2, latin1: 3 };

/** A text of one of the four types, without what pads it. Binary is written in hexadecimal digits. */
export function decodeTypedText(type: number, bytes: Buffer): string {
  if (type === TEXT_TYPE.binary) return bytes.toString('hex');
  if (type === TEXT_TYPE.bcdPlus) {
    return [...bytes]
      .map((byte) => BCD_PLUS[byte >> 4]! + BCD_PLUS[byte & 15]!)
      .join('')
      .trimEnd();
  }
  if (type === TEXT_TYPE.sixBit) return decodeSixBit(bytes);
  return bytes.toString('latin1').replace(/[\0\s]+$/, '');
}

/** Four characters in three bytes, lowest bits first, counted from 20h. */
function decodeSixBit(bytes: Buffer): string {
  let text = '';
  for (let bit = 0; bit + 6 <= bytes.length * 8; bit += 6) {
    const pair = bytes[bit >> 3]! | ((bytes[(bit >> 3) + 1] ?? 0) << 8);
    text += String.fromCharCode(0x20 + ((pair >> (bit & 7)) & 0x3f));
  }
  return text.trimEnd();
}

/** The bytes of a text of 8-bit characters, and its type/length byte; at most `most` of them. */
export function encodeTypedText(text: string, most: number): Buffer {
  const bytes = Buffer.from(text, 'latin1').subarray(0, most);
  return Buffer.concat([Buffer.of(0xc0 | bytes.length), bytes]);
}
