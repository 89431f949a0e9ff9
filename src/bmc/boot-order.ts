import type { BootDevice } from '../model/bmc.ts';

/** One thing that the firmware can boot: `Boot0001`, as it names it, and what it is where that can be told. */
export type BootOption = {
  reference: string;
  name: string;
  device: BootDevice | 'other';
  /** UEFI device path as text, '' when none is told. */
  path: string;
  /** Of the network card, lower case with colons, '' for what is none. */
  mac: string;
  isEnabled: boolean;
};

/** `order`: references, first tried first. Those that no option describes are in it all the same. */
export type BootOrder = { order: string[]; options: BootOption[] };

/** What is meant to be booted when no override is in force; `mac`: by which network card. */
export type BootMeant = { device: BootDevice; mac?: string };

/** Whether the firmware's own order does what is meant. `because` is a sentence. */
export type BootOrderVerdict = { agrees: true } | { agrees: false; because: string };

/** Compares the firmware's boot order with what is meant: the first entry that is not turned off decides. */
export function judgeBootOrder({ order, options }: BootOrder, meant: BootMeant): BootOrderVerdict {
  const optionOf = (reference: string) => options.find((option) => option.reference === reference);
  const isMeant = (option: BootOption) =>
    option.device === meant.device &&
    (meant.mac === undefined || option.mac === '' || option.mac === meant.mac.toLowerCase());

  const first = order.find((reference) => optionOf(reference)?.isEnabled !== false);
  const wanted = `${meant.device}${meant.mac === undefined ? '' : ` of ${meant.mac.toLowerCase()}`}`;
  if (first === undefined) return { agrees: false, because: `The boot order is empty, and ${wanted} is meant.` };
  const option = optionOf(first);
  if (option && isMeant(option)) return { agrees: true };
  const because = `The boot order starts with ${describe(first, option)}, and ${wanted} is meant: ${whereIs()}.`;
  return { agrees: false, because };

  function whereIs(): string {
    const others = options.filter(isMeant);
    const later = others.find((one) => one.isEnabled && order.includes(one.reference));
    if (later) return `${later.reference} comes as number ${order.indexOf(later.reference) + 1}`;
    const [off] = others;
    if (!off) return 'the firmware has no such entry';
    return `${off.reference} is ${off.isEnabled ? 'not in the order' : 'turned off'}`;
  }
}

function describe(reference: string, option: BootOption | undefined): string {
  if (!option) return `${reference}, which the BMC does not describe`;
  const which = [option.device === 'other' ? '' : option.device, option.mac].filter((text) => text !== '').join(' ');
  return `${reference} "${option.name}"${which && ` (${which})`}`;
}
