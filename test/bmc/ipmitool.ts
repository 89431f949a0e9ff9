import { readdirSync, readFileSync } from 'node:fs';
import { runProgram } from './program.ts';

/** What ipmitool says on a BMC of 127.0.0.1, with its exit code. The password goes by the environment, never in argv. */
export function ipmitool(
  target: { port: number; suite: number; user: string; password: string },
  ...command: string[]
): Promise<{ code: number | null; text: string }> {
  const { port, suite, user, password } = target;
  const args = ['-I', 'lanplus', '-C', `${suite}`, '-H', '127.0.0.1', '-p', `${port}`, '-U', user, '-E', ...command];
  return runProgram('ipmitool', args, { IPMITOOL_PASSWORD: password });
}

/** How every process of this computer was called. */
export function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return []; // it has ended
      }
    });
}
