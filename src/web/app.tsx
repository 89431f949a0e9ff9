import { useEffect, useRef } from 'preact/hooks';
import { forgetToken, token } from './api.ts';
import { MachineList } from './list.tsx';
import { followAppliance, link } from './live.ts';
import { MachinePanel } from './panel.tsx';
import { openMachine } from './place.ts';
import { allRows, filterText, forgetRack, isListed, shownRows, status } from './rack.ts';
import { SignIn } from './sign-in.tsx';
import { now, wholeDuration } from './time.ts';

export function App() {
  return token.value === '' ? <SignIn /> : <Rack key={token.value} />;
}

/** The whole page once there is a token: what is seen is followed as long as it is shown. */
function Rack() {
  useEffect(() => {
    const stop = followAppliance();
    return () => {
      stop();
      forgetRack();
    };
  }, []);
  return (
    <>
      <Header />
      <Warnings />
      <div class={openMachine.value === '' ? 'places' : 'places with-panel'}>
        <main>
          <MachineList />
        </main>
        {openMachine.value !== '' && <MachinePanel key={openMachine.value} name={openMachine.value} />}
      </div>
    </>
  );
}

function Header() {
  return (
    <header class="top">
      <h1>Firstlight</h1>
      <Counts />
      <Filter />
      <LinkState />
      <button type="button" class="quiet" onClick={() => forgetToken()}>
        Sign out
      </button>
    </header>
  );
}

const STATES = ['failed', 'new', 'installing', 'ready', 'installed', 'ignored'];

/** How many machines are in which state; each is a filter. */
function Counts() {
  const counts = new Map<string, number>();
  for (const row of allRows.value) {
    const { state } = row.value.machine;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  useEffect(() => {
    const worth = ['failed', 'installing'].filter((state) => counts.has(state));
    document.title = ['Firstlight', ...worth.map((state) => `${counts.get(state)} ${state}`)].join(', ');
  });
  return (
    <nav class="counts" aria-label="Filter by state">
      {STATES.map((state) => {
        const filter = `state:${state}`;
        const isOn = filterText.value === filter;
        return (
          counts.has(state) && (
            <button
              type="button"
              key={state}
              class={`count state-${state}`}
              aria-pressed={isOn}
              onClick={() => {
                filterText.value = isOn ? '' : filter;
              }}
            >
              <b>{counts.get(state)}</b> {state}
            </button>
          )
        );
      })}
    </nav>
  );
}

function Filter() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key !== '/' || isTyping || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <div class="filter">
      <input
        ref={input}
        type="search"
        aria-label="Filter the machines"
        placeholder="Filter: rack4 state:failed,new !debian   ( / )"
        title="Words are joined by and. A comma means or, ! means not. Fields: name serial mac address state power stage os model locked line"
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        value={filterText.value}
        onInput={(event) => {
          filterText.value = event.currentTarget.value;
        }}
      />
      <span class="dim" aria-live="polite">
        {filterText.value.trim() !== '' && `${shownRows.value.length} of ${allRows.value.length}`}
      </span>
    </div>
  );
}

function LinkState() {
  const { is, since } = link.value;
  const words = { opening: 'connecting', live: 'live', lost: `lost ${wholeDuration(now.value - since)} ago` }[is];
  return (
    <span class={`link link-${is}`} title={status.value ? `Firstlight ${status.value.version}` : ''}>
      {words}
    </span>
  );
}

function Warnings() {
  const { is, why } = link.value;
  return (
    <div role="status">
      {is === 'lost' && (
        <p class="warning bad">
          {why}: {isListed.value ? 'what you see is old. ' : ''}Trying again every two seconds.
        </p>
      )}
      {status.value?.contentProblems.map((problem) => (
        <p class="warning" key={problem}>
          content: {problem}
        </p>
      ))}
    </div>
  );
}
