import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { DRIVER_PORTS, describeOrder } from '../model/bmc.ts';
import { type ApiProblem, ask, machinePath } from './api.ts';
import { Problem, useAsking } from './asking.tsx';
import { Dialog } from './dialog.tsx';
import { changeRow } from './rack.ts';
import { rowWithBmc } from './row-bmc.ts';
import type { KeptOrder, Row, ShownBmc, ShownLink } from './shapes.ts';
import { dayAndTime, duration, now, roughDuration } from './time.ts';

/** How often it is read again: while an order is under way for its progress, else for orders that others have given. */
const BUSY_MS = 2000;
const IDLE_MS = 10_000;

/** The ways to a machine's BMC, how it answers, and what was asked of it: read when the panel opens, and again as it changes. */
export function BmcBlock({ row }: { row: Row }) {
  const { machine, bmcTurn } = row;
  const bmc = useSignal<ShownBmc | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const everyMs = row.orders.length > 0 ? BUSY_MS : IDLE_MS;

  useEffect(() => {
    if (!machine.hasBmc) return;
    let isOver = false;
    async function read(): Promise<void> {
      try {
        const answer = await ask<ShownBmc>('GET', machinePath(machine.name, '/bmc'));
        if (isOver) return; // something happened meanwhile, and it was asked again
        bmc.value = answer;
        problem.value = undefined;
        changeRow(machine.id, (before) => rowWithBmc(before, answer));
      } catch (error) {
        if (!isOver) problem.value = error as ApiProblem;
      }
    }
    void read();
    const timer = setInterval(read, everyMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [machine.id, machine.name, machine.hasBmc, bmcTurn, everyMs]);

  if (!machine.hasBmc) return null;
  return (
    <section class="bmc" aria-label="BMC">
      <h3>BMC</h3>
      <Problem of={problem.value} />
      {bmc.value ? <Known bmc={bmc.value} name={machine.name} /> : <p class="dim">Reading…</p>}
    </section>
  );
}

function Known({ bmc, name }: { bmc: ShownBmc; name: string }) {
  const { chain, quirks, orders } = bmc;
  const ended = orders.filter((order) => order.endedAt !== undefined);
  return (
    <>
      <ol class="chain">
        {chain.map((link) => (
          <Way key={link.position} link={link} name={name} />
        ))}
      </ol>
      <Health bmc={bmc} />
      {quirks.length > 0 && (
        <ul class="quirks" aria-label="quirks in force">
          {quirks.map(({ id, text }) => (
            <li key={id + text}>
              <b>{id}</b> {text}
            </li>
          ))}
        </ul>
      )}
      {ended.length > 0 && (
        <details>
          <summary>last {ended.length === 1 ? 'order' : `${ended.length} orders`}</summary>
          <ol class="orders">
            {ended.map((order) => (
              <Ended key={order.id} order={order} />
            ))}
          </ol>
        </details>
      )}
    </>
  );
}

/** One way to the BMC; where it is not used any more, why, and what lets it be tried again. */
function Way({ link, name }: { link: ShownLink; name: string }) {
  const { driver, address, port, credential, user, learned, refusal } = link;
  const { run, since, problem } = useAsking();
  const isAccepting = useSignal(false);
  const isBusy = since.value !== undefined;
  const allow = (newCertificate: boolean): Promise<void> =>
    run(() => ask('POST', machinePath(name, '/bmc/allow'), newCertificate ? { newCertificate } : {}));

  const who = credential === undefined ? user && ` as ${user}` : ` with credential ${credential}`;
  return (
    <li>
      <b>{driver}</b>
      {address && ` ${address}${port === DRIVER_PORTS[driver] ? '' : `:${port}`}`}
      {who}
      {learned.cipherSuite !== undefined && <span class="dim">, cipher suite {learned.cipherSuite}</span>}
      {learned.fingerprint !== undefined && (
        <span class="dim" title={learned.fingerprint}>
          , certificate {learned.fingerprint.slice(0, 11)}…
        </span>
      )}
      {refusal && (
        <div class="problem">
          not used since {dayAndTime(refusal.at)}: {refusal.text}
          <div class="buttons">
            <button type="button" class="small" aria-disabled={isBusy} onClick={() => void allow(false)}>
              Retry
            </button>
            {refusal.kind === 'certificate' && (
              <button
                type="button"
                class="small grave"
                aria-disabled={isBusy}
                onClick={() => {
                  isAccepting.value = true;
                }}
              >
                Accept its new certificate…
              </button>
            )}
          </div>
        </div>
      )}
      <Problem of={problem.value} />
      {isAccepting.value && (
        <Dialog
          title={name}
          onClose={() => {
            isAccepting.value = false;
          }}
        >
          <p>
            Was {address} given a new certificate? If not, somebody may stand between it and the appliance, and would be
            shown its password.
          </p>
          <div class="buttons">
            <button type="button" onClick={(event) => event.currentTarget.closest('dialog')?.close()}>
              Leave it
            </button>
            <button
              type="button"
              class="main grave"
              onClick={(event) => {
                event.currentTarget.closest('dialog')?.close();
                void allow(true);
              }}
            >
              Accept what it shows next
            </button>
          </div>
        </Dialog>
      )}
    </li>
  );
}

function Health({ bmc }: { bmc: ShownBmc }) {
  const { driver, calls, failures, latencyMs, answeredAt, lastProblem } = bmc.health;
  if (calls === 0) return <p class="dim">Nothing was asked of it yet.</p>;
  // what keeps it from being asked stands at its link, and why it is silent at its power
  const isSaid = bmc.unreachableSince !== undefined || bmc.chain.some((one) => one.refusal?.text === lastProblem?.text);
  const facts = [
    latencyMs === undefined ? '' : `answers in ${Math.round(latencyMs)} ms`,
    answeredAt === undefined
      ? 'nothing was read of it yet'
      : `last ${roughDuration(now.value - answeredAt)} ago${driver === undefined ? '' : ` by ${driver}`}`,
    `${calls} ${calls === 1 ? 'call' : 'calls'}, ${failures} failed`,
  ];
  return (
    <>
      <p>{facts.filter(Boolean).join(', ')}</p>
      {lastProblem && !isSaid && (
        <p class="dim">
          last problem {dayAndTime(lastProblem.at)}: {lastProblem.text}
        </p>
      )}
    </>
  );
}

function Ended({ order }: { order: KeptOrder }) {
  const { state, startedAt, createdAt, endedAt, driver } = order;
  const took = endedAt === undefined ? '' : duration(endedAt - (startedAt ?? createdAt));
  return (
    <li class={state === 'failed' ? 'bad' : ''}>
      <time>{dayAndTime(createdAt)}</time> <b>{describeOrder(order.order)}</b> {state}: {order.result}{' '}
      <span class="dim">
        ({[took, driver, `asked by ${order.askedBy}`].filter((part) => part !== undefined && part !== '').join(', ')})
      </span>
    </li>
  );
}
