import { batch, effect, signal } from '@preact/signals';
import { filterText } from './rack.ts';

/** The machine that is open, by its name; '' when none is. Kept in the address with the filter, so that a link shows the same. */
export const openMachine = signal('');

/** Keep the address and the page saying the same, also for the browser's own "back". */
export function followAddress(): void {
  readAddress();
  window.addEventListener('hashchange', readAddress);
  effect(() => {
    const words = new URLSearchParams();
    if (openMachine.value !== '') words.set('machine', openMachine.value);
    if (filterText.value !== '') words.set('filter', filterText.value);
    const hash = words.size === 0 ? '' : `#${words}`;
    if (hash === location.hash) return;
    // opening a machine is a step that "back" undoes, a letter typed into the filter is not
    const isStep = new URLSearchParams(location.hash.slice(1)).get('machine') !== words.get('machine');
    history[isStep ? 'pushState' : 'replaceState'](null, '', `${location.pathname}${hash}`);
  });
}

function readAddress(): void {
  const words = new URLSearchParams(location.hash.slice(1));
  batch(() => {
    openMachine.value = words.get('machine') ?? '';
    filterText.value = words.get('filter') ?? '';
  });
}
