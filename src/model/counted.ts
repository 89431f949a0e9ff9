/** `1 lease`, `2 leases`; `ending` is what the plural adds. */
export function counted(number: number, noun: string, ending = 's'): string {
  return `${number} ${noun}${number === 1 ? '' : ending}`;
}
