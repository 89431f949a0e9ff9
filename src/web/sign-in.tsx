import { useSignal } from '@preact/signals';
import { keepToken, tokenProblem } from './api.ts';

/** Asks for the admin token, once in each tab. */
export function SignIn() {
  const text = useSignal('');
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const given = text.value.trim();
          if (given !== '') keepToken(given);
        }}
      >
        <h1>Firstlight</h1>
        <label for="token">Admin token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          autofocus
          required
          aria-describedby="token-help"
          onInput={(event) => {
            text.value = event.currentTarget.value;
          }}
        />
        {tokenProblem.value !== '' && (
          <p class="problem" role="alert">
            {tokenProblem.value}
          </p>
        )}
        <button type="submit" class="main">
          Watch the machines
        </button>
        <p class="dim" id="token-help">
          The first start of the appliance printed it, and left it in <code>~/.config/firstlight/credentials.json</code>
          . This tab keeps it until it is closed.
        </p>
      </form>
    </main>
  );
}
