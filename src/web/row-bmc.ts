import type { BmcProblem, Event, KeptOrder, PowerAnswer, Row, ShownBmc, ShownPower } from './shapes.ts';

/** So many ended orders are remembered for each machine. */
const ENDED = 20;
/** Power is read at least every few minutes: what is older was not read for a reason. */
const STALE_MS = 10 * 60_000;

/** The row after an event of its machine, as far as its power and its BMC go. */
export function rowAfterBmcEvent(row: Row, { kind, at, text, data }: Event): Row {
  if (!/^(power|bmc)\./.test(kind)) return row;
  const { power } = row.machine;
  const next = { ...row, bmcTurn: row.bmcTurn + 1 };
  switch (kind) {
    case 'power.command':
    case 'power.failed':
    case 'power.cancelled':
      return withoutOrder(next, data?.order);
    case 'power.changed': {
      const word = data?.power as ShownPower['word'];
      return withPower(next, { word, since: at, readAt: at, asked: power.asked });
    }
    case 'power.asked':
      return withPower(next, { ...power, asked: text });
    case 'bmc.unreachable': {
      const silent: ShownPower = { word: 'unknown', unreachableSince: at, asked: power.asked };
      return { ...withPower(next, silent), bmcProblem: { is: 'unreachable', text, at } };
    }
    case 'bmc.refuses':
      return { ...next, bmcProblem: { is: 'refuses', text, at } };
    case 'bmc.answers':
      return { ...withPower(next, { ...power, unreachableSince: undefined }), bmcProblem: undefined };
    case 'bmc.changed':
      return { ...next, bmcProblem: undefined };
    default:
      return next;
  }
}

/** The row once an order was given; not if its end was told before the answer came. */
export function rowWithOrder(row: Row, order: KeptOrder): Row {
  return { ...row, orders: openOrders(row, [...row.orders.filter((one) => one.id !== order.id), order]) };
}

/** The row with what was just read of its power, and all its open orders. */
export function rowWithPower(row: Row, { power, since, readAt, unreachableSince, asked, orders }: PowerAnswer): Row {
  const shown: ShownPower = { word: power, since, readAt, unreachableSince, asked };
  return { ...withPower(row, shown), orders: openOrders(row, orders) };
}

/** The row with all that the API tells of its BMC. */
export function rowWithBmc(row: Row, bmc: ShownBmc): Row {
  return { ...rowWithPower(row, bmc), bmcProblem: problemIn(bmc) };
}

function problemIn({ chain, health, unreachableSince }: ShownBmc): BmcProblem | undefined {
  const [first] = chain;
  if (first?.refusal && chain.every((link) => link.refusal !== undefined))
    return { is: 'refuses', text: first.refusal.text, at: first.refusal.at };
  if (unreachableSince === undefined) return undefined;
  return { is: 'unreachable', text: health.lastProblem?.text ?? '', at: unreachableSince };
}

/** What is wrong with a machine's BMC now; `why` is '' when this page has not heard it. */
export type Trouble = { is: 'refuses'; why: string } | { is: 'unreachable'; since: number; why: string };

/** A BMC that refuses one way and was read by another since is no trouble to a list: its power is known. */
export function troubleOf({ machine: { power }, bmcProblem }: Row): Trouble | undefined {
  if (bmcProblem?.is === 'refuses' && !(power.readAt !== undefined && power.readAt > bmcProblem.at))
    return { is: 'refuses', why: bmcProblem.text };
  if (power.unreachableSince === undefined) return undefined;
  const why = bmcProblem?.is === 'unreachable' ? bmcProblem.text : '';
  return { is: 'unreachable', since: power.unreachableSince, why };
}

/** Whether the power was not read for so long that it may be another by now. */
export function isStale({ readAt }: ShownPower, now: number): boolean {
  return readAt !== undefined && now - readAt > STALE_MS;
}

/**
 * Whether a list leaves it open what a machine's BMC does: no list tells that a BMC refuses, and why one does not answer. What is
 * known to refuse counts, because no event tells that another password was given to the credential.
 */
export function isUnexplained(row: Row, now: number): boolean {
  const { hasBmc, power } = row.machine;
  const trouble = troubleOf(row);
  if (!hasBmc) return false;
  return trouble ? trouble.is === 'refuses' || trouble.why === '' : power.word === 'unknown' || isStale(power, now);
}

function withPower(row: Row, power: ShownPower): Row {
  return { ...row, machine: { ...row.machine, power } };
}

function withoutOrder(row: Row, id: unknown): Row {
  if (typeof id !== 'number') return row;
  const ended = { ...row, endedOrders: [...row.endedOrders.slice(1 - ENDED), id] };
  return { ...ended, orders: openOrders(ended, row.orders) };
}

/** Those that have not ended, oldest first. */
function openOrders({ endedOrders }: Row, orders: readonly KeptOrder[]): readonly KeptOrder[] {
  const open = orders.filter((order) => order.endedAt === undefined && !endedOrders.includes(order.id));
  return open.sort((a, b) => a.id - b.id);
}
