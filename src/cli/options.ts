import { InvalidArgumentError } from 'commander';
import { CliError } from './cli-error.ts';

/** An option that can be told again adds to what was told before. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** `12`. Throws what commander tells beside the name of the option. */
export function wholeNumber(text: string): number {
  // more digits than a number keeps exactly
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is not a whole number.');
  return Number(text);
}

/** One of these words. The parser throws what commander tells beside the name of the option or argument. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((one) => one === text);
    if (word === undefined) throw new InvalidArgumentError(`Allowed choices are ${words.join(', ')}.`);
    return word;
  };
}

/** `NAME=VALUE`; the value may be empty, and may hold a =. Throws CliError. */
export function splitPair(pair: string): [name: string, value: string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new CliError(`${pair} is not of the form NAME=VALUE`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** `10.1.0.7:6230`; an IPv6 address with a port stands in brackets. */
export function splitPort(text: string | undefined): [string | undefined, number | undefined] {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text ?? '');
  if (!match) return [text, undefined];
  return [match[1] ?? match[2], match[3] === undefined ? undefined : Number(match[3])];
}
