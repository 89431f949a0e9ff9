import { WireError } from '../wire/bytes.ts';
import { BMC_ADDRESS, COMPLETION } from '../wire/ipmi.ts';
import { decodeFru, type FruField, getFruAreaInfo, readFru } from '../wire/ipmi-fru.ts';
import type { FruRecord, SdrRecord } from '../wire/ipmi-sdr-record.ts';
import type { InventoryField } from './driver.ts';
import { answerTo, type IpmiPath, refusal } from './ipmi-path.ts';

/** Bytes of one read, tried from the greatest: BMCs are limited by their own buses. */
const PIECES = [64, 32, 16, 8];
const TOO_MUCH: readonly number[] = [
  COMPLETION.cannotReturnSoMany,
  COMPLETION.wrongLength,
  COMPLETION.tooLong,
  COMPLETION.outOfRange,
  COMPLETION.unspecified,
];

/** What the machine's own inventory says, and those of the parts that the records name. */
export async function readInventory(path: IpmiPath, records: readonly SdrRecord[]): Promise<InventoryField[]> {
  const own = await readFruFields(path, 0);
  const fields = own.map(({ area, name, value }): InventoryField => ({ part: area, name, value }));
  const parts = records.filter(
    (record): record is FruRecord =>
      record.kind === 'fru' && record.isLogical && record.address === BMC_ADDRESS && record.fru !== 0,
  );
  for (const { fru, name: part } of parts) {
    const found = await readFruFields(path, fru);
    fields.push(...found.map(({ area, name, value }) => ({ part: `${part} ${area}`, name, value })));
  }
  return fields;
}

/** The fields of one inventory; none when the part is not there or what it holds is no inventory. */
export async function readFruFields(path: IpmiPath, fru: number): Promise<FruField[]> {
  const bytes = await readFruBytes(path, fru);
  try {
    return bytes === undefined || bytes.length === 0 ? [] : decodeFru(bytes).fields;
  } catch (error) {
    if (error instanceof WireError) return [];
    throw error;
  }
}

async function readFruBytes(path: IpmiPath, fru: number): Promise<Buffer | undefined> {
  const info = (await answerTo(path, getFruAreaInfo, { fru })).value;
  if (!info) return undefined;
  const { bytes: size, inWords } = info;
  const unit = inWords ? 2 : 1;
  const pieces: Buffer[] = [];
  let [piece] = PIECES;
  for (let at = 0; at < size; ) {
    const count = Math.min(piece!, size - at);
    const question = { fru, offset: at / unit, count: Math.ceil(count / unit) };
    const { completion, value } = await answerTo(path, readFru, question);
    if (value === undefined && TOO_MUCH.includes(completion) && piece !== PIECES.at(-1)) {
      piece = PIECES.find((smaller) => smaller < piece!);
      continue;
    }
    // Some say more bytes than they have, and a part that is not the machine itself may be out.
    if (value === undefined && (at > 0 || fru !== 0)) break;
    if (value === undefined) throw refusal(path, readFru, completion);
    if (value.data.length === 0) break;
    pieces.push(value.data);
    at += value.data.length;
  }
  return Buffer.concat(pieces).subarray(0, size);
}
