import { useSignal } from '@preact/signals';
import type { ApiProblem } from './api.ts';

/** For buttons that ask the API for something: one thing at a time, and what went wrong stays until the next one. */
export function useAsking() {
  const since = useSignal<number | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  return {
    /** When what is asked now was asked. */
    since,
    problem,
    async run(work: () => Promise<void>): Promise<void> {
      if (since.peek() !== undefined) return;
      since.value = Date.now();
      problem.value = undefined;
      try {
        await work();
      } catch (error) {
        problem.value = error as ApiProblem;
      }
      since.value = undefined;
    },
  };
}

export function Problem({ of }: { of: ApiProblem | undefined }) {
  if (!of) return null;
  return (
    <p class="problem" role="alert">
      {of.message}
      {of.next && <small>{of.next}</small>}
    </p>
  );
}
