import { errorAt, type ImportedSubnet, type ImportProblem, noteAt } from '../dhcp/import/index.ts';
import { newSubnet, type Subnet } from '../model/network.ts';
import { cidrToText } from '../wire/address.ts';
import { attempt } from './import-problems.ts';
import type { ApiOptions } from './server.ts';
import { checkSubnet } from './subnet-rules.ts';
import { forEachInTurns } from './turns.ts';

/** The most and the least that the API takes for a subnet: two minutes, a year. */
const LEASE_SECONDS = { least: 120, most: 365 * 24 * 3600 };

/** The subnets of a file that are to be made, with the numbers -1, -2 and so on until they have their own. */
export async function planSubnets(
  wanted: readonly ImportedSubnet[],
  { network, arrivals }: ApiOptions,
  problems: ImportProblem[],
): Promise<Subnet[]> {
  const present = network.subnets();
  const here = new Set(present.map(({ cidr }) => cidrToText(cidr)));
  const lines = new Map<string, number>();
  const planned: Subnet[] = [];
  await forEachInTurns(wanted, (one) => {
    const { line } = one;
    const text = cidrToText(one.cidr);
    const first = lines.get(text);
    lines.set(text, first ?? line);
    if (first !== undefined) problems.push(errorAt(line, `subnet ${text} stands on line ${first} already`));
    else if (here.has(text)) problems.push(noteAt(line, `subnet ${text} is here already, and stays as it is`));
    else
      attempt(line, problems, () => {
        const subnet = { ...subnetOf(one, problems), id: -1 - planned.length };
        checkSubnet(subnet, [...present, ...planned], arrivals);
        planned.push(subnet);
      });
  });
  return planned;
}

function subnetOf({ line, ...one }: ImportedSubnet, problems: ImportProblem[]): Omit<Subnet, 'id'> {
  const { leaseSeconds, sharedNetwork, ...rest } = one;
  const text = cidrToText(one.cidr);
  const wire = sharedNetwork?.replace(/[^A-Za-z0-9._-]+/g, '-');
  if (wire !== sharedNetwork)
    problems.push(noteAt(line, `the shared network ${JSON.stringify(sharedNetwork)} of ${text} is named ${wire} here`));
  const seconds = leaseSeconds && Math.min(Math.max(leaseSeconds, LEASE_SECONDS.least), LEASE_SECONDS.most);
  if (seconds !== leaseSeconds)
    problems.push(noteAt(line, `the lease time of ${text} becomes ${seconds} seconds: ${leaseSeconds} cannot be set`));
  return newSubnet({
    ...rest,
    name: text.replace('/', '-'),
    ...(wire !== undefined ? { sharedNetwork: wire } : {}),
    ...(seconds !== undefined ? { leaseSeconds: seconds } : {}),
  });
}
