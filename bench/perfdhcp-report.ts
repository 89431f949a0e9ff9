import { BenchError } from './error.ts';

/** Delays of one half of the exchanges, in milliseconds. */
export type Delay = { min: number; average: number; max: number };

/** DISCOVER to OFFER, or REQUEST to ACK. No delay when nothing came back. */
export type Half = { sent: number; received: number; delay?: Delay };

export type PerfdhcpReport = { discover: Half; request: Half };

/**
 * What perfdhcp of Kea 2.2 prints at its end, as numbers. Its `Rate:` is left out: that divides by a time which has the wait
 * for late answers in it. Throws BenchError when a half is missing, with what perfdhcp said instead.
 */
export function parsePerfdhcpReport(text: string): PerfdhcpReport {
  const sections = text.split('***Statistics for: ').slice(1);
  const half = (name: string): Half => {
    const section = sections.find((one) => one.startsWith(`${name}***`));
    if (section === undefined) throw new BenchError(`perfdhcp reported no ${name}: ${text.trim().slice(-500)}`);
    return parseHalf(name, section);
  };
  return { discover: half('DISCOVER-OFFER'), request: half('REQUEST-ACK') };
}

function parseHalf(name: string, section: string): Half {
  const number = (label: string): number => {
    const value = new RegExp(`^${label}: (\\S+)`, 'm').exec(section)?.[1];
    if (value === undefined || !/^\d+(\.\d+)?(e[+-]?\d+)?$/.test(value))
      throw new BenchError(`perfdhcp reported ${name} with '${label}' ${value ?? 'missing'}`);
    return Number(value);
  };
  const sent = number('sent packets');
  const received = number('received packets');
  if (received === 0) return { sent, received }; // the delays are 'inf' and 'n/a' then
  return {
    sent,
    received,
    delay: { min: number('min delay'), average: number('avg delay'), max: number('max delay') },
  };
}

/** How much of what was sent was not answered, 0 to 1. Nothing sent counts as all lost: nothing was measured. */
export function dropOf(half: Half): number {
  return half.sent === 0 ? 1 : (half.sent - half.received) / half.sent;
}
