import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Event, ShownMachine } from './shapes.ts';
import { dayAndTime, duration, now, timeOfDay, wholeDuration } from './time.ts';
import { FEW_EVENTS, MANY_EVENTS, openTimeline, timeline } from './timeline.ts';

const BAD = /\.(failed|refused|refuses|malformed|naked|declined|unreachable|missing)$/;
const GOOD = /\.(done|finished|alive|accepted|answers)$/;

/** What happened to a machine, one line per event, the newest below and followed. */
export function Timeline({ machine }: { machine: ShownMachine }) {
  const { events, isLoaded, problem } = timeline.value;
  const last = useSignal(FEW_EVENTS);
  const withLog = useSignal(true);

  useEffect(() => void openTimeline(machine, last.value), [machine.id, last.value]);

  const shown = withLog.value ? events : events.filter((event) => event.kind !== 'machine.log');
  const newest = shown.at(-1);
  return (
    <section class="timeline" aria-label="timeline">
      <div class="timeline-head">
        <h3>Timeline</h3>
        {newest && <span class="dim">last {wholeDuration(now.value - newest.at)} ago</span>}
        <label>
          <input
            type="checkbox"
            checked={withLog.value}
            onChange={(event) => {
              withLog.value = event.currentTarget.checked;
            }}
          />{' '}
          with log lines
        </label>
      </div>
      {problem !== '' && <p class="problem">{problem}</p>}
      <div
        class="events"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reached by keyboard
        tabIndex={0}
        role="log"
        aria-label="events"
      >
        <div class="story">
          {!isLoaded && problem === '' && <p class="dim">Reading…</p>}
          {isLoaded && events.length === 0 && <p class="dim">Nothing has happened yet.</p>}
          {events.length >= FEW_EVENTS && last.value === FEW_EVENTS && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                last.value = MANY_EVENTS;
              }}
            >
              Show what was before
            </button>
          )}
          <ol>
            {shown.map((event, index) => (
              <EventLine key={event.id} event={event} before={shown[index - 1]} />
            ))}
          </ol>
        </div>
      </div>
    </section>
  );
}

function EventLine({ event, before }: { event: Event; before: Event | undefined }) {
  const isNewBoot = event.boot !== undefined && event.boot !== before?.boot;
  const tone = BAD.test(event.kind)
    ? 'bad'
    : GOOD.test(event.kind)
      ? 'good'
      : event.kind === 'machine.log'
        ? 'quiet'
        : '';
  return (
    <>
      {isNewBoot && (
        <li class="boot">
          {event.boot === 0 ? 'before its first boot' : `boot ${event.boot}`}, {dayAndTime(event.at)}
        </li>
      )}
      <li class={`event ${tone}`}>
        <time title={dayAndTime(event.at)}>{timeOfDay(event.at)}</time>
        <span class="delta">{before && `+${duration(event.at - before.at)}`}</span>
        <span class="kind">{event.kind}</span>
        <span class="text">
          {event.text}
          {event.because && event.because.length > 0 && (
            <details>
              <summary>why</summary>
              <ol class="reasons">
                {event.because.map((reason) => (
                  <li key={reason.rule + reason.text}>
                    {reason.text}{' '}
                    <small>
                      {reason.rule}
                      {reason.ref && `, ${reason.ref}`}
                    </small>
                  </li>
                ))}
              </ol>
            </details>
          )}
        </span>
      </li>
    </>
  );
}
