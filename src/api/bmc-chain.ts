import { type Static, Type } from 'typebox';
import { checkConsoleSetting } from '../bmc/console-plan.ts';
import { BmcError, type BmcTarget } from '../bmc/driver.ts';
import { isVerb } from '../bmc/verbs.ts';
import { DRIVER_NAMES, DRIVER_PORTS, type DriverName, speaksToBmc } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { KeptLink, NewLink } from '../store/bmcs.ts';
import { strict } from './schemas.ts';

const Link = Type.Object(
  {
    driver: Type.Optional(Type.Union(DRIVER_NAMES.map((name) => Type.Literal(name)))),
    address: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
    /** The name of a credential, instead of a user and password. */
    credential: Type.Optional(Type.String()),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    password: Type.Optional(Type.String({ maxLength: 256 })),
    /** The driver's own; see docs/operating.md. */
    settings: Type.Optional(Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 4096 }))),
  },
  strict,
);
/** One way to the BMC, or the whole chain, tried in its order. */
export const BmcChain = Type.Union([
  Link,
  Type.Object({ chain: Type.Array(Link, { minItems: 1, maxItems: 8 }) }, strict),
]);

/**
 * Links as they are kept; `present` are those that they come instead of. Throws `bad-request` for settings that their driver does not
 * understand.
 */
export async function readChain(
  body: Static<typeof BmcChain>,
  check: (target: BmcTarget) => Promise<void>,
  present: readonly KeptLink[] = [],
): Promise<NewLink[]> {
  const links = 'chain' in body ? body.chain : [body];
  const chain: NewLink[] = [];
  for (const [position, link] of links.entries()) {
    const driver = link.driver ?? 'ipmi';
    if (link.address === undefined && speaksToBmc(driver))
      throw new AppError('bad-request', `the driver ${driver} needs an address`);
    if (link.credential !== undefined && (link.user !== undefined || link.password !== undefined))
      throw new AppError('bad-request', `give the credential ${link.credential}, or a user and password, not both`);
    const { credential, user, password } = link;
    const read: NewLink = {
      driver,
      address: link.address ?? '',
      port: link.port ?? DRIVER_PORTS[driver],
      settings: wholeSettings(driver, link.settings ?? {}, position, present),
      ...(credential !== undefined ? { credential } : {}),
      ...(user !== undefined ? { user } : {}),
      ...(password !== undefined ? { password } : {}),
    };
    try {
      await check({ ...read, user: user ?? '', password: password ?? '' });
    } catch (error) {
      if (!(error instanceof BmcError)) throw error;
      throw new AppError('bad-request', error.text);
    }
    const problem = checkConsoleSetting(read.settings);
    if (problem) throw new AppError('bad-request', problem);
    chain.push(read);
  }
  return chain;
}

/** A link as it is shown: without its password, and without what may be one. */
export function showLink({ machineId: _ours, driver, settings, ...link }: KeptLink) {
  const shown = Object.entries(settings).map(([name, value]) => [name, showSetting(driver, name, value)]);
  return { ...link, driver, settings: Object.fromEntries(shown) as Record<string, string> };
}

/** Of the URLs of a webhook the origin alone, `https://pdu.example:8443`: a path or a query may carry a token. */
function showSetting(driver: DriverName, name: string, value: string): string {
  return driver === 'webhook' && isVerb(name) ? (URL.parse(value)?.origin ?? '') : value;
}

/** A URL that comes back as it was shown is the one that is kept: that of the link in the same place first. */
function wholeSettings(
  driver: DriverName,
  settings: Record<string, string>,
  position: number,
  present: readonly KeptLink[],
): Record<string, string> {
  const kept = present.filter((link) => link.driver === driver);
  kept.sort((a, b) => Number(b.position === position) - Number(a.position === position));
  const whole = Object.entries(settings).map(([name, value]) => {
    const same = kept.find((link) => showSetting(driver, name, link.settings[name] ?? '') === value);
    return [name, same?.settings[name] ?? value];
  });
  return Object.fromEntries(whole) as Record<string, string>;
}

/** A link in a sentence: `redfish 10.9.0.7:8443 (credential racks)`. */
export function describeLink({ driver, address, port, credential }: NewLink): string {
  const at = address === '' ? '' : ` ${address}${port === DRIVER_PORTS[driver] ? '' : `:${port}`}`;
  return `${driver}${at}${credential !== undefined ? ` (credential ${credential})` : ''}`;
}
