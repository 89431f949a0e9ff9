import { spawn } from 'node:child_process';

/** What a program that asks nothing says on both of its outputs, and its exit code. Fails when it cannot be started. */
export function runProgram(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TZ: 'UTC', ...environment },
    });
    let text = '';
    for (const output of [child.stdout, child.stderr])
      output.on('data', (data) => {
        text += data;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text: text.trim() }));
  });
}
