import type { BootDevice, Order } from '../model/bmc.ts';

const DEVICE_WORDS: Readonly<Record<BootDevice, string>> = {
  network: 'the network (often F12)',
  http: 'the network by HTTP',
  disk: 'its disk',
  cd: 'its CD drive',
  setup: 'its firmware setup (often F2 or Del)',
};

/** What a person is asked to do to a machine that no program can switch. */
export function describeByHand(order: Order, name: string): string {
  switch (order.kind) {
    case 'power':
      return {
        on: `switch ${name} on: press its power button`,
        off: `switch ${name} off: hold its power button for five seconds, until its lamp is out`,
        cycle: `switch ${name} off (hold its power button for five seconds), and on again`,
        reset: `restart ${name}: press its reset button, or switch it off and on again`,
        soft: `shut ${name} down: press its power button briefly, or shut its operating system down`,
      }[order.action];
    case 'boot':
      return `let ${name} boot from ${DEVICE_WORDS[order.wish.device]}${order.wish.isPersistent ? ' from now on' : ' when it starts next'}`;
    case 'identify':
      return order.seconds > 0 ? `light the lamp of ${name}` : `put the lamp of ${name} out`;
    case 'media':
      return order.url === undefined
        ? `take the medium out of ${name}`
        : `let ${name} boot the image ${order.url} from a medium`;
  }
}
