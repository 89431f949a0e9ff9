import { LabError } from '../error.ts';

/** What a simulated BMC can do wrong. `unit` says what the number of a fault counts; without one it needs no number. */
type FaultRow = { what: string; unit?: string };

const TABLE = {
  lost: { what: 'one of N datagrams, in or out, does not arrive', unit: 'datagrams' },
  doubled: { what: 'one of N datagrams, in or out, arrives twice', unit: 'datagrams' },
  hang: { what: 'answers nothing at all' },
  slow: { what: 'answers late', unit: 'milliseconds' },
  busy: { what: 'answers the first N commands with "node busy" (C0h)', unit: 'commands' },
  'refuse-open': { what: 'refuses Open Session with an RMCP+ status', unit: 'status code' },
  'refuse-rakp1': { what: 'refuses RAKP 1 with an RMCP+ status', unit: 'status code' },
  'refuse-rakp3': { what: 'refuses RAKP 3 with an RMCP+ status', unit: 'status code' },
  'no-slots': { what: 'refuses the first N logins for want of a session slot', unit: 'logins' },
  'refuses-role': { what: "refuses a role above the user's in RAKP 1, though the name alone was to be looked up" },
  'only-1.5': { what: 'speaks IPMI 1.5 only: no RMCP+' },
  'no-1.5': { what: 'does not answer outside of RMCP+: no capabilities' },
  'intel-plus': { what: 'leaves the "name only" bit of the role out of RAKP 3 (B9, Intel)' },
  'intel-82571': { what: 'leaves the "name only" bit of the role out of every proof (B9, Intel 82571)' },
  strict: { what: 'refuses a power command for what is so already, and a cycle while off (B2)' },
  settles: { what: 'the power state follows a command late (B3)', unit: 'milliseconds' },
  flips: { what: 'after a power command the state reads right once, wrong once, then right (B3)' },
  lies: { what: 'says that a power command was done and does nothing' },
  'lost-control': { what: 'neither does nor answers a power command (B12)' },
  'mute-control': { what: 'does a power command and does not answer it (B12)' },
  forgets: { what: 'refuses to keep boot flags longer than 60 seconds (B1)' },
  'no-efi': { what: 'drops the EFI bit of boot flags (B4)' },
  'no-valid': { what: 'gives boot flags back without their first byte (B16)' },
  'only-once': { what: 'refuses boot flags that are persistent (B4)' },
  'flags-only': { what: 'knows no boot option but the flags' },
  'flags-locked': { what: 'lets the boot flags be read only' },
  'small-reads': { what: 'gives at most N bytes of a record or an inventory at once', unit: 'bytes' },
  'forgets-reservation': { what: 'drops the reservation of its sensor records after every Nth read', unit: 'reads' },
  words: { what: 'reads inventories in words of two bytes, as memory of some kinds is' },
  'serial-off': { what: 'has serial over LAN turned off' },
  'serial-refuses': { what: 'refuses the first N packets of a console (NACK)', unit: 'packets' },
  'serial-slow': { what: 'takes at most N characters of a console at once', unit: 'characters' },
} satisfies Record<string, FaultRow>;

export type FaultName = keyof typeof TABLE;

/** Every fault, as a person reads it. */
export const FAULTS: Readonly<Record<FaultName, FaultRow>> = TABLE;

/** The faults in force, each with its number; 1 where it needs none. A test or a bench may change them at any time. */
export type Faults = Map<FaultName, number>;

/** Faults from words: `lost=7 strict`. Throws a LabError that names the word. */
export function parseFaults(text: string): Faults {
  const faults: Faults = new Map();
  for (const word of text.split(/[\s,]+/).filter((one) => one !== '')) {
    const [name, value] = word.split('=') as [FaultName, string | undefined];
    const row = FAULTS[name];
    if (!row) throw new LabError(`a BMC has no fault "${name}"`, `It has ${Object.keys(FAULTS).join(', ')}`);
    if (row.unit === undefined && value !== undefined)
      throw new LabError(`the fault "${word}" takes no number`, `Say ${name}`);
    const number = value === undefined ? 1 : Number(value);
    if ((row.unit !== undefined && value === undefined) || !Number.isInteger(number) || number < 0) {
      throw new LabError(`the fault "${word}" needs a whole number of ${row.unit}`, `Say ${name}=NUMBER`);
    }
    faults.set(name, number);
  }
  return faults;
}

/** Uses up one of a fault that happens so many times; false once it is used up. */
export function spendFault(faults: Faults, name: FaultName): boolean {
  const left = faults.get(name) ?? 0;
  if (left > 0) faults.set(name, left - 1);
  return left > 0;
}

/** How often each datagram arrives: not, once or twice. By chance, and the same chance in every run. */
export function createCarrier(faults: Faults): () => number {
  let state = 1;
  /** Whether it is one of so many: Park and Miller's "minimal standard" generator. */
  const isOneOf = (many: number | undefined) => {
    if (many === undefined || many === 0) return false;
    state = (state * 48_271) % 2_147_483_647;
    return state % many === 0;
  };
  return () => {
    if (faults.has('hang') || isOneOf(faults.get('lost'))) return 0;
    return isOneOf(faults.get('doubled')) ? 2 : 1;
  };
}
