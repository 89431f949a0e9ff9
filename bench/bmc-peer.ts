/**
 * What is done without Firstlight: `node bench/bmc-peer.ts PEER MIX FOLDER`, inside the appliance's namespace, reads the power of
 * all BMCs of a mix once with that peer. Its last line is a PeerResult as JSON.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPackets } from './bmc-packets.ts';
import { BMC_PASSWORD, BMC_USER, type BmcMix, bmcsOf } from './bmc-plan.ts';
import { BenchError } from './error.ts';

export type PeerName = 'ipmitool' | 'ipmipower';

/** `cpuSeconds` of the peer and all that it started; `packets` are datagrams both ways. */
export type PeerResult = { done: number; failed: number; seconds: number; cpuSeconds: number; packets: number };

type Peer = {
  command: (
    addresses: readonly string[],
    folder: string,
  ) => { command: string[]; input: string; env?: NodeJS.ProcessEnv };
  /** How many machines it says are on or off. */
  count: (output: string) => number;
};

const SUITE = '17';

const PEERS: Readonly<Record<PeerName, Peer>> = {
  // what scripts do: a process for each, 16 at once
  ipmitool: {
    command: (addresses) => ({
      command: [
        ...[
          'xargs',
          '-P',
          '16',
          '-I',
          '{}',
          'ipmitool',
          '-I',
          'lanplus',
          '-C',
          SUITE,
          '-H',
          '{}',
          '-U',
          BMC_USER,
          '-E',
        ],
        ...['chassis', 'power', 'status'],
      ],
      input: addresses.join('\n'),
      env: { ...process.env, IPMITOOL_PASSWORD: BMC_PASSWORD },
    }),
    count: (output) => output.match(/^Chassis Power is (on|off)$/gm)?.length ?? 0,
  },
  // one process that asks all hosts at once
  ipmipower: {
    command(addresses, folder) {
      const configuration = join(folder, 'freeipmi.conf');
      const lines = [
        `username ${BMC_USER}`,
        `password ${BMC_PASSWORD}`,
        'driver-type LAN_2_0',
        `cipher-suite-id ${SUITE}`,
      ];
      writeFileSync(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
      return {
        command: ['ipmipower', `--config-file=${configuration}`, '-h', addresses.join(','), '--stat'],
        input: '',
      };
    },
    count: (output) => output.match(/: (on|off)$/gm)?.length ?? 0,
  },
};

const [name, mix, folder] = process.argv.slice(2);
if (name === undefined || mix === undefined || folder === undefined)
  throw new BenchError('bmc-peer.ts wants a peer, a mix and a folder');
console.log(JSON.stringify(await readAll(PEERS[name as PeerName], JSON.parse(mix) as BmcMix, folder)));

async function readAll(peer: Peer, asked: BmcMix, place: string): Promise<PeerResult> {
  const addresses = bmcsOf(asked).map(({ address }) => address);
  const { command, input, env = process.env } = peer.command(addresses, place);
  const packets = readPackets().udp;
  const before = childSeconds();
  const beganAt = performance.now();
  const output = await run(command, input, env);
  const seconds = (performance.now() - beganAt) / 1000;
  const done = peer.count(output);
  if (done === 0) throw new BenchError(`${command[0]} read no power: ${output.trim().slice(-300)}`);
  const failed = addresses.length - done;
  return { done, failed, seconds, cpuSeconds: childSeconds() - before, packets: readPackets().udp - packets };
}

function run([program, ...args]: readonly string[], input: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    child.once('error', (error) => reject(new BenchError(`${program} cannot be started: ${error.message}`)));
    child.once('close', () => resolve(output));
    child.stdin.end(input);
  });
}

/** Of children that have ended, and of theirs. proc(5), /proc/PID/stat: cutime and cstime, fields 16 and 17, in 1/100 s. */
function childSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15)
    .map(Number);
  return ((user ?? 0) + (system ?? 0)) / 100;
}
