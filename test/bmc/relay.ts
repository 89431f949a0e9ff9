import { createSocket } from 'node:dgram';

/** A UDP relay in front of a BMC for one console. `drops` gets each datagram, of either direction, and its number from 1 on. */
export async function startRelay(bmcPort: number, drops: (number: number, datagram: Buffer) => boolean) {
  const outside = createSocket('udp4');
  const inside = createSocket('udp4');
  let consolePort = 0;
  let seen = 0;
  outside.on('message', (datagram, from) => {
    consolePort = from.port;
    if (!drops(++seen, datagram)) inside.send(datagram, bmcPort, '127.0.0.1');
  });
  inside.on('message', (datagram) => {
    if (!drops(++seen, datagram)) outside.send(datagram, consolePort, '127.0.0.1');
  });
  await new Promise<void>((resolve) => outside.bind(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => inside.bind(0, '127.0.0.1', resolve));
  return {
    port: outside.address().port,
    seen: () => seen,
    async stop() {
      await new Promise<void>((resolve) => outside.close(() => resolve()));
      await new Promise<void>((resolve) => inside.close(() => resolve()));
    },
  };
}
