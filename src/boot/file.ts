import type { Bootenv } from '../model/bootenv.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { BootView } from '../model/view.ts';
import { type BootDecision, decideBoot } from './decide.ts';
import type { BootPath } from './paths.ts';

/** What a machine gets for the file it asked for. `declined` is local boot, on purpose and no fault. */
export type FileDecision = { because: Reason[]; boot: BootDecision } & (
  | { kind: 'loader'; file: string }
  | { kind: 'script' }
  | { kind: 'asset'; bootenv: Bootenv; file: string }
  | { kind: 'declined' }
  | { kind: 'refused'; code: 'not-found' | 'forbidden' }
);

/** The same decision for TFTP and HTTP, made on the same view as the DHCP answer was. */
export function decideFile(path: BootPath, view: BootView, now: Instant): FileDecision {
  const boot = decideBoot(view, now);
  switch (path.kind) {
    case 'script':
      return { kind: 'script', boot, because: boot.because };
    case 'local':
      return {
        kind: 'declined',
        boot,
        because: [
          ...boot.because,
          { rule: 'local-file', text: 'this file is answered with an error so that the firmware goes on to the disk' },
        ],
      };
    case 'loader':
      if (boot.kind === 'local') return { kind: 'declined', boot, because: boot.because };
      return { kind: 'loader', file: path.file, boot, because: boot.because };
    case 'asset':
      return decideAsset(path.bootenv, path.file, view, boot);
  }
}

/** Public files go to a machine that is to boot them; the scout's, which write nothing, to every machine. */
function decideAsset(name: string, file: string, view: BootView, boot: BootDecision): FileDecision {
  const offered = view.bootenv(name);
  if (!offered)
    return {
      kind: 'refused',
      code: 'not-found',
      boot,
      because: [{ rule: 'no-such-bootenv', text: `there is no bootenv ${name}` }],
    };
  const isWanted = boot.kind === 'bootenv' && (boot.bootenv.name === name || boot.kernelOf.name === name);
  if (isWanted || offered.bootenv.kind === 'scout')
    return { kind: 'asset', bootenv: offered.bootenv, file, boot, because: boot.because };
  return {
    kind: 'refused',
    code: 'forbidden',
    boot,
    because: [...boot.because, { rule: 'not-to-boot', text: `${name} is not what this machine is to boot` }],
  };
}
