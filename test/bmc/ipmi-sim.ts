import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** OpenIPMI's ipmi_sim as a BMC with the user admin and the password s3cret. */
export type IpmiSim = {
  port: number;
  power: () => Promise<'on' | 'off'>;
  /** What `chassis_control` was told, oldest first: `power 1`, `boot pxe`, `reset 0`. */
  told: () => Promise<string[]>;
  stop: () => Promise<void>;
};

/** Why a test that needs these Debian programs is skipped, or false. */
export function missing(...programs: string[]): string | false {
  const isThere = (program: string) =>
    (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
  return programs.filter((program) => !isThere(program)).map((program) => `${program} is not installed`)[0] ?? false;
}

/** A UDP port of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Starts it. `emulation`: more commands of ipmi_sim_cmd(5); `lan`: more lines of the BMC in ipmi_lan(5). */
export async function startIpmiSim(more: { emulation?: string[]; lan?: string[] } = {}): Promise<IpmiSim> {
  const folder = await mkdtemp(join(tmpdir(), 'firstlight-ipmi-sim-'));
  const port = await freePort();
  const chassis = join(folder, 'chassis.sh');
  await writeFile(
    chassis,
    `#!/bin/sh
# ADDRESS get WHAT.. | ADDRESS set WHAT VALUE..
cd ${folder} || exit 1
shift; verb=$1; shift
if [ "$verb" = get ]; then
  for what in "$@"; do echo "$what:$(cat "$what")"; done
else
  while [ $# -ge 2 ]; do
    echo "$1 $2" >> told
    echo "$2" > "$1"
    shift 2
  done
fi
`,
  );
  await chmod(chassis, 0o755);
  await writeFile(join(folder, 'power'), '0\n');
  await writeFile(join(folder, 'boot'), 'default\n');
  await writeFile(join(folder, 'told'), '');
  await mkdir(join(folder, 'state'));
  await writeFile(
    join(folder, 'lan.conf'),
    `name "bmc1"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${chassis} 0x20"
  user 2 true "admin" "s3cret" admin 10 none md2 md5 straight
${(more.lan ?? []).join('\n')}
`,
  );
  await writeFile(
    join(folder, 'emu'),
    `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
${(more.emulation ?? []).join('\n')}
mc_enable 0x20
`,
  );
  const args = ['-c', join(folder, 'lan.conf'), '-f', join(folder, 'emu'), '-s', join(folder, 'state'), '-n'];
  const child = spawn('ipmi_sim', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill();
  process.once('exit', end);
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    output += data;
  });
  await untilListening(child, port, () => output);

  return {
    port,
    power: async () => ((await readFile(join(folder, 'power'), 'utf8')).trim() === '1' ? 'on' : 'off'),
    told: async () => (await readFile(join(folder, 'told'), 'utf8')).split('\n').filter((line) => line !== ''),
    async stop() {
      if (child.exitCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill();
        await ended;
      }
      process.off('exit', end);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the kernel lists the port as taken, so that no datagram of a test meets a simulator that still starts. */
async function untilListening(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const line = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`ipmi_sim ended: ${output()}`);
    if ((await readFile('/proc/net/udp', 'utf8')).includes(line)) return;
    await sleep(100);
  }
  throw new Error(`ipmi_sim does not listen on port ${port}: ${output()}`);
}
