import { setTimeout as sleep } from 'node:timers/promises';
import { type Ipv4, ipv4FromNumber } from '../wire/address.ts';
import { type IpmiFinding, IpmiProber } from './scan-ipmi.ts';
import { parseScanRange } from './scan-range.ts';
import { askRedfish, type HttpsFinding, type RedfishRoot } from './scan-redfish.ts';

/** How a range is scanned, and who is told. */
export type ScanOptions = {
  /** 623 and 443 by default. */
  ipmiPort?: number;
  httpsPort?: number;
  /** 1000 by default; an address gets two to four. */
  datagramsPerSecond?: number;
  /** Addresses that are asked at once, each with one connection; 256 by default. */
  connections?: number;
  /** How long answers are waited for: see HttpsLimits. 2.5 s and 15 s by default. */
  connectMs?: number;
  answerMs?: number;
  /** For the whole; 30 minutes by default. */
  limitMs?: number;
  signal?: AbortSignal;
  /** Told each address that answered, as soon as all is known of it. When it throws, the scan ends and fails so. */
  onAnswer?: (answer: ScanAnswer) => void;
};

/** What an address is. What it did not say is absent. */
export type ScanAnswer = {
  address: Ipv4;
  ipmi: boolean;
  ipmiVersion?: '1.5' | '2.0';
  /** Numbers of the standard suites. */
  cipherSuites?: number[];
  redfish?: RedfishRoot;
  /** SHA-256 of the certificate that it showed, as Redfish's setting `fingerprint` has it. */
  fingerprint?: string;
  /** Until its first answer. */
  latencyMs: number;
};

/**
 * Numbers of addresses. `ipmi` and `redfish` both count those that answered to `both`. `asked` is less than the range when
 * the scan was ended early. `unsent`: datagrams that did not leave, and why.
 */
export type ScanSummary = {
  asked: number;
  ipmi: number;
  redfish: number;
  both: number;
  silent: number;
  ended: 'whole' | 'aborted' | 'time';
  unsent: number;
  whyUnsent: string;
};

/**
 * Looks for BMCs in a range (see parseScanRange, whose AppError it throws) by IPMI and Redfish, without a login. When it is
 * aborted, or its time is up, the summary is of what was asked until then.
 */
export async function scanBmcs(range: string, options: ScanOptions = {}): Promise<ScanSummary> {
  const { first, count } = parseScanRange(range);
  const { ipmiPort = 623, httpsPort = 443, datagramsPerSecond = 1000, connections = 256 } = options;
  const { connectMs = 2500, answerMs = 15_000, limitMs = 30 * 60_000 } = options;
  const own = new AbortController();
  const late = AbortSignal.timeout(limitMs);
  const stop = AbortSignal.any([own.signal, late, ...(options.signal ? [options.signal] : [])]);
  const summary = { asked: 0, ipmi: 0, redfish: 0, both: 0, silent: 0 };
  const waitMs = [connectMs * 0.4, connectMs * 0.6] as const;
  const prober = await IpmiProber.open({ port: ipmiPort, pace: createPace(datagramsPerSecond, stop), waitMs });
  const onStop = () => prober.stop();
  stop.addEventListener('abort', onStop);
  const limits = { port: httpsPort, connectMs, answerMs };
  let next = 0;

  async function work(): Promise<void> {
    while (next < count && !stop.aborted) {
      const address = ipv4FromNumber(first + next++);
      const answer = joinFindings(
        address,
        ...(await Promise.all([prober.ask(address), askRedfish(address, limits, stop)])),
      );
      if (!answer && stop.aborted) return; // it was not asked to the end
      summary.asked += 1;
      if (!answer) summary.silent += 1;
      if (answer?.ipmi) summary.ipmi += 1;
      if (answer?.redfish) summary.redfish += 1;
      if (answer?.ipmi && answer.redfish) summary.both += 1;
      if (answer) options.onAnswer?.(answer);
    }
  }

  try {
    const workers = Array.from({ length: Math.min(count, Math.max(1, connections)) }, () =>
      work().catch((error: unknown) => {
        own.abort();
        throw error;
      }),
    );
    const failed = (await Promise.allSettled(workers)).find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  } finally {
    stop.removeEventListener('abort', onStop);
    prober.close();
  }
  const ended = summary.asked === count ? 'whole' : late.aborted ? 'time' : 'aborted';
  return { ...summary, ended, unsent: prober.unsent, whyUnsent: prober.whyUnsent };
}

/** What an address is by both findings; undefined for what is no BMC, such as a web server. */
function joinFindings(address: Ipv4, ipmi?: IpmiFinding, https?: HttpsFinding): ScanAnswer | undefined {
  if (!ipmi && !https?.root) return undefined;
  return {
    address,
    ipmi: ipmi !== undefined,
    ...(ipmi?.version && { ipmiVersion: ipmi.version }),
    ...(ipmi?.suites && { cipherSuites: ipmi.suites }),
    ...(https?.root && { redfish: https.root }),
    ...(https?.fingerprint && { fingerprint: https.fingerprint }),
    latencyMs: Math.min(ipmi?.latencyMs ?? Number.POSITIVE_INFINITY, https?.latencyMs ?? Number.POSITIVE_INFINITY),
  };
}

/** Gives each caller its turn, so many a second and not in bursts; at once when the scan is over. */
function createPace(perSecond: number, stop: AbortSignal): () => Promise<void> {
  let free = performance.now();
  return async () => {
    const now = performance.now();
    const turn = Math.max(now, free);
    free = turn + 1000 / perSecond;
    if (turn - now >= 1) await sleep(turn - now, undefined, { signal: stop }).catch(() => undefined);
  };
}
