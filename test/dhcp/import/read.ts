import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Imported, type ImportFormat, importDhcp } from '../../../src/dhcp/import/index.ts';
import type { Instant } from '../../../src/model/time.ts';

/** 2030-01-01 00:00:00 UTC. */
export const NOW = 1_893_456_000_000 as Instant;
/** A lease for ever that is imported at NOW. */
export const FOR_EVER = NOW + 0xffffffff * 1000;

/** The text of a file of another server. All were read without complaint by that server itself (dnsmasq 2.90, dhcpd 4.4.3,
 *  Kea 2.2), but for the includes, whose files are not there. */
export function fixture(name: string): string {
  return readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');
}

export function read(format: ImportFormat, text: string): Imported {
  return importDhcp(format, text, NOW);
}

/** Problems as `LINE: SEVERITY: TEXT`; `error of subnets` is one for who wants the subnets of the file only. */
export function problemsOf(imported: Pick<Imported, 'problems'>): string[] {
  return imported.problems.map(
    ({ line, severity, ofSubnets, text }) => `${line}: ${severity}${ofSubnets ? ' of subnets' : ''}: ${text}`,
  );
}

/** Reservations one a line, `LINE CLIENT ADDRESS NAME OPTION=TEXT ..`, a hyphen for what is not there. */
export function reservationsOf({ reservations }: Pick<Imported, 'reservations'>): string[] {
  return reservations.map((one) => {
    const ids = [
      one.mac,
      one.clientId && `id:${one.clientId.toString('hex')}`,
      one.uuid && `uuid:${one.uuid}`,
      one.circuitId && `circuit:${one.circuitId.toString('latin1')}`,
      one.remoteId && `remote:${one.remoteId.toString('hex')}`,
    ].filter((id) => id !== undefined);
    const options = one.options.map(({ code, text }) => `${code}=${text}`);
    return [one.line, ids.join('+'), one.address ?? '-', JSON.stringify(one.hostname), ...options].join(' ');
  });
}

/** Subnets one a line: `LINE CIDR POOLS gateway dns domain seconds network`. */
export function subnetsOf({ subnets }: Pick<Imported, 'subnets'>): string[] {
  return subnets.map(({ line, cidr, pools, gateway = '-', dns, domain, leaseSeconds = '-', sharedNetwork = '-' }) =>
    [
      line,
      `${cidr.base}/${cidr.prefix}`,
      pools.map(({ first, last }) => `${first}-${last}`).join('+') || '-',
      gateway,
      dns.join('+') || '-',
      domain || '-',
      leaseSeconds,
      sharedNetwork,
    ].join(' '),
  );
}

/** Leases one a line: `LINE ADDRESS MAC CLIENT-ID NAME STATE END`, the end in ISO 8601. */
export function leasesOf({ leases }: Pick<Imported, 'leases'>): string[] {
  return leases.map(({ line, address, mac = '-', clientId, hostname, state, expiresAt }) =>
    [
      line,
      address,
      mac,
      clientId?.toString('hex') ?? '-',
      hostname || '-',
      state,
      expiresAt === FOR_EVER ? 'never' : new Date(expiresAt).toISOString().slice(0, 19),
    ].join(' '),
  );
}
