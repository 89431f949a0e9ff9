import { join } from 'node:path';
import { type Client, openClient } from '../cli/client.ts';
import { LabError } from './error.ts';
import { RACKS_FOLDER } from './plan.ts';
import { readRackFile } from './state.ts';

type Known = { name: string; macs: string[] };

/**
 * Tell the appliance what a datacenter technician would: each machine's MAC and its BMC; then press the power buttons, by BMC.
 * Gives a line for each machine. The appliance is found as the CLI finds it.
 */
export async function enrollRack(
  rackName: string,
  options: { powerOn: boolean },
  client: Client = openClient(),
): Promise<string[]> {
  const rack = readRackFile(join(RACKS_FOLDER, rackName));
  if (!rack) throw new LabError(`there is no rack ${rackName}`, 'Build one with: firstlight lab up');
  const lines: string[] = [];
  for (const machine of rack.machines) {
    const present = (await client.get<Known[]>('/api/v1/machines')).find((one) => one.macs.includes(machine.mac));
    const entered =
      present ??
      (await client.send<Known>('POST', '/api/v1/machines', {
        macs: [machine.mac],
        ...(machine.bmc ? { bmc: machine.bmc } : {}),
      }));
    if (options.powerOn && machine.bmc)
      await client.send('POST', `/api/v1/machines/${entered.name}/power`, { action: 'on', wait: true });
    lines.push(
      `${machine.name} (${machine.firmware}, ${machine.mac}) is entered${options.powerOn && machine.bmc ? ' and switched on' : ''}`,
    );
  }
  return lines;
}
