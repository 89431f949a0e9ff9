import { dhcpOptions, optionName } from '../../src/wire/dhcp-options.ts';
import { bytes, type Shape } from '../../src/wire/dhcp-shapes.ts';

/** One line for a human, `leaseSeconds (51): 3600 s`, printable whatever the bytes are. */
export function describeOption(code: number, value: Buffer): string {
  const name = optionName(code);
  if (name === undefined) return `option ${code}: ${bytes.describe(value)}`;
  const shape = dhcpOptions[name].shape as Shape<unknown>;
  const decoded = shape.decode(value);
  const said = decoded === undefined ? `unusable, ${bytes.describe(value) || 'empty'}` : shape.describe(decoded);
  return `${name} (${code}): ${said}`;
}
