/** What the service root, the manager and the System say of themselves; '' for what they do not say. */
export type Facts = {
  /** Vendor of the root, else the names under its Oem. */
  vendor: string;
  product: string;
  managerModel: string;
  managerFirmware: string;
  manufacturer: string;
  model: string;
};

/** How this BMC wants to be spoken to, where BMCs differ. */
export type Rules = {
  /** Whether BootSourceOverrideEnabled is sent when it already reads what is wanted. */
  sendsEnabled: 'when-changed' | 'always';
  /** `whole`: target, enabled and mode always together. */
  bootRequest: 'changes' | 'whole';
  /** Where the boot override is written when both resources have it. */
  bootIn: 'system' | 'settings';
  /** A boot mode that was written shows after the next reset only. */
  modeNeedsReset: boolean;
  /** What an inserted image is called as a boot target, best first. */
  cdTargets: readonly string[];
  /** Where the URI of a UEFI HTTP boot is written. */
  httpUriIn: 'boot' | 'dell-bios';
  /** Whether InsertMedia is given the protocol from the first. */
  namesProtocol: boolean;
  /** The serial number that SMBIOS has is the SKU. */
  serialIsSku: boolean;
};

const RULES: Rules = {
  sendsEnabled: 'when-changed',
  bootRequest: 'changes',
  bootIn: 'system',
  modeNeedsReset: false,
  cdTargets: ['Cd', 'UsbCd'],
  httpUriIn: 'boot',
  namesProtocol: false,
  serialIsSku: false,
};

/** A way in which BMCs differ from the standard or from each other. Without `applies` it is met, or not, with any of them. */
export type Quirk = {
  id: string;
  who: string;
  what: string;
  /** Where it was seen: a project whose source works around it, or a report. */
  source: string;
  applies?: (facts: Facts) => boolean;
  rules?: Partial<Rules>;
};

const isSupermicro = (facts: Facts) => names(facts).includes('supermicro');
const isDell = (facts: Facts) => names(facts).includes('dell') || /\bidrac\b/i.test(facts.product);
const isAmi = (facts: Facts) => /\bami\b|american megatrends|asrockrack|redfish_compatible/.test(names(facts));
const names = (facts: Facts) => `${facts.vendor} ${facts.manufacturer}`.toLowerCase();

/** Boot-protocols 5.2. Later rows win where two change the same rule. */
export const QUIRKS: readonly Quirk[] = [
  {
    id: 'R1',
    who: 'many',
    what: 'choke on connections that persist: one request in flight, and each closes its connection',
    source: 'sushy connector',
  },
  {
    id: 'R2',
    who: 'some HPE Gen10 Plus',
    what: 'refuse the encoding "identity", which others need for strong ETags: asked again without it',
    source: 'sushy connector',
  },
  {
    id: 'R3',
    who: 'many',
    what: 'refuse the ETag that they gave: asked again without its W/, then without an ETag; an empty one is not sent',
    source: 'sushy connector',
  },
  {
    id: 'R4a',
    who: 'Supermicro',
    what: 'wants BootSourceOverrideEnabled in every boot request',
    source: 'ironic management.py',
    applies: isSupermicro,
    rules: { sendsEnabled: 'always' },
  },
  {
    id: 'R4b',
    who: 'AMI, ASRockRack',
    what: 'wants target, enabled and mode of the boot override together',
    source: 'ironic management.py',
    applies: isAmi,
    rules: { bootRequest: 'whole' },
  },
  {
    id: 'R5',
    who: 'newer firmware of several makers',
    what: 'has no continuous boot override: what is set from now on is left to another driver',
    source: 'ironic management.py',
  },
  {
    id: 'R6',
    who: 'Supermicro',
    what: 'puts the boot mode back to legacy when the boot device is set: the mode is set once more',
    source: 'ironic management.py',
  },
  {
    id: 'R7',
    who: 'HPE iLO',
    what: 'refuses boot settings while the machine is in POST: asked again for two minutes',
    source: 'ironic management.py',
  },
  {
    id: 'R8',
    who: 'Dell iDRAC 10',
    what: 'refuses power-on right after power-off with a conflict: asked again for a minute',
    source: 'ironic power.py',
  },
  {
    id: 'R9',
    who: 'many',
    what: 'refuse to power on what is on and to power off what is off: the power state decides',
    source: 'ironic power.py',
  },
  {
    id: 'R10',
    who: 'every BMC',
    what: 'reads On all through a restart: whoever waits for it must let 15 s pass first',
    source: 'ironic power.py',
  },
  {
    id: 'R11',
    who: 'Dell',
    what: 'changes the boot mode by a job that runs at the next reset and takes up to 15 minutes',
    source: 'ironic, sushy',
    applies: isDell,
    rules: { modeNeedsReset: true },
  },
  {
    id: 'R12',
    who: 'HPE Gen9',
    what: 'has no boot mode that can be read or set: it is left as the firmware has it',
    source: 'ironic management.py',
  },
  {
    id: 'R13',
    who: 'Dell iDRAC, HPE iLO and others',
    what: 'are not ready for a moment after the last command: asked again',
    source: 'sushy connector',
  },
  {
    id: 'R14',
    who: 'Nokia',
    what: 'keeps the boot override in its settings resource and wants the protocol of an image named',
    source: 'sushy',
    applies: (facts) => names(facts).includes('nokia'),
    rules: { bootIn: 'settings', namesProtocol: true },
  },
  {
    id: 'R15a',
    who: 'Supermicro',
    what: 'boots an inserted image as UsbCd',
    source: 'sushy system.py',
    applies: (facts) => isSupermicro(facts) && !/^ars-111gl-nhr$/i.test(facts.model),
    rules: { cdTargets: ['UsbCd', 'Cd'] },
  },
  {
    id: 'R15b',
    who: 'Lenovo SD530 and older Redfish',
    what: 'has no action to insert an image: it is written into the slot',
    source: 'sushy virtual_media.py',
  },
  {
    id: 'R15c',
    who: 'Cisco UCS, OpenBMC',
    what: 'has slots that take no image from a URL: the next slot is tried',
    source: 'ironic boot.py',
  },
  {
    id: 'R15d',
    who: 'Dell iDRAC',
    what: 'says for a while that an ejected image is in, or fails meanwhile: eject, then insert, and ask again',
    source: 'ironic boot.py',
  },
  {
    id: 'R15e',
    who: 'Nokia, Supermicro, NVIDIA DGX and others',
    what: 'wants more than the image to insert it: what its refusal asks for is added',
    source: 'sushy virtual_media.py',
  },
  {
    id: 'R16',
    who: 'Dell',
    what: 'takes the URI of an HTTP boot as the BIOS attribute HttpDev1Uri, which a job applies at the next reset',
    source: 'dell openmanage issue 511 (reported)',
    applies: isDell,
    rules: { httpUriIn: 'dell-bios' },
  },
  {
    id: 'R17',
    who: 'every BMC',
    what: 'has a certificate of its own making: the first one is remembered, and another one refused',
    source: 'ironic redfish_verify_ca',
  },
  {
    id: 'R18',
    who: 'many',
    what: 'lose a connection or an answer now and then: asked again where that is safe',
    source: 'ironic conf/redfish.py',
  },
  {
    id: 'R19',
    who: 'Dell',
    what: 'has the serial number of SMBIOS as SKU, and the board’s as SerialNumber',
    source: 'the System resources of iDRAC 7 to 9',
    applies: isDell,
    rules: { serialIsSku: true },
  },
  {
    id: 'R20',
    who: 'some',
    what: 'have no sessions, or none left: the password goes with each request (Basic)',
    source: 'sushy auth.py',
  },
  {
    id: 'R21',
    who: 'some',
    what: 'say that they put members into a collection, and fail over it: each is read by itself',
    source: 'our own caution: the same as for HTTP errors of any other part',
  },
  {
    id: 'R22',
    who: 'older TLS servers',
    what: 'fail at a ClientHello that does not come in one packet: none that long is sent',
    source: 'OpenSSL pull request 28076, tldr.fail',
  },
];

/** The quirks that a BMC has by what it says, and those that somebody put in force. */
export function chooseQuirks(facts: Facts, forced: readonly string[]): Quirk[] {
  return QUIRKS.filter((quirk) => quirk.applies?.(facts) || forced.includes(quirk.id));
}

/** How to speak to a BMC with these quirks. */
export function rulesOf(quirks: readonly Quirk[]): Rules {
  return Object.assign({}, RULES, ...quirks.map((quirk) => quirk.rules));
}
