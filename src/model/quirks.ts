/** Who is meant: all that is named has to be so. */
export type QuirkMatch = {
  /** Beginnings of the MAC, three bytes each: `ec:a8:6b`. */
  ouis?: readonly string[];
  /** Beginnings of option 60. */
  vendorClasses?: readonly string[];
  /** Option 93 as the client sends it. */
  architectures?: readonly number[];
};

/** What is done differently for those. */
export type QuirkEffect = {
  /** The code of option 93 that it should have sent: a row of ARCHITECTURES. */
  architecture?: number;
  /** How a client is called that asks for a boot which is none of ours. */
  name?: string;
  /** The file of LOADERS that it gets where nobody chose one for the machine or its subnet. */
  loader?: string;
};

type QuirkText = {
  /** The row of boot-protocols 2.6. The case or test that shows the answer has it at the beginning of its title. */
  id: `Q${number}`;
  client: string;
  behaviour: string;
  /** Who reports it: an issue, a source file, or our own measurement. */
  source: string;
  /** What Firstlight does about it, and what it does not. */
  answer: string;
};

/** A row whose answer is for those alone whom it matches. */
export type ParticularQuirk = QuirkText & { match: QuirkMatch; effect: QuirkEffect };

/** One known oddity of firmware or of a loader. Without a match, everybody is answered in the way that this one needs. */
export type Quirk = ParticularQuirk | (QuirkText & { match?: undefined; effect?: undefined });

/** Known quirks of firmware and loaders, in the order of boot-protocols 2.6. To add a quirky client, add its row and a case. */
export const QUIRKS: readonly Quirk[] = [
  {
    id: 'Q1',
    client:
      'Intel UNDI ROMs of 2000 to 2010; Jetway J7F4K1G5DS, Lenovo T460, Gigabyte Z77X-UD3H (Atheros), Kontron VX3040',
    behaviour: 'asks for the file name with a byte 0xFF behind it when option 67 does not end with a NUL',
    source: 'netboot.xyz #1198, netboot.xyz-docs #149',
    answer: 'option 67 always ends with a NUL',
  },
  {
    id: 'Q2',
    client: 'PXE ROMs in general',
    behaviour: 'read option 67 up to a NUL, which RFC 2132 9.5 does not promise them',
    source: 'dnsmasq rfc2131.c',
    answer: 'option 67 always ends with a NUL, and so does the field of the header, which takes 127 characters',
  },
  {
    id: 'Q3',
    client: 'EDK2',
    behaviour: 'writes a NUL over the byte behind an option 67 that has none',
    source: 'EDK2 PxeBcDhcp4.c; harmless on OVMF 2022.11, measured',
    answer: 'option 67 brings its own NUL, so that nothing behind it is touched',
  },
  {
    id: 'Q4',
    client: 'some UEFI firmware',
    behaviour: 'is confused by option 67 and wants the name in the field of the header alone',
    source: 'bootimus #117; dnsmasq --dhcp-no-override',
    answer: 'the PXE style header of a machine leaves option 67 out; nothing in its requests gives such firmware away',
  },
  {
    id: 'Q5',
    client: 'old Intel and Supermicro ROMs',
    behaviour: 'send no option 97',
    source: 'pixiecore #21',
    answer: 'option 97 goes back to those who sent it and is asked of nobody',
  },
  {
    id: 'Q6',
    client: 'Intel Boot Agent',
    behaviour: 'loses memory with each loader it fetches, until it says "NBP is too big to fit in free base memory"',
    source: 'RackHD on-dhcp-proxy',
    answer: 'a BIOS machine that is to boot its disk is told no file',
  },
  {
    id: 'Q7',
    client: 'HP JetDirect',
    behaviour: 'wants T1 and T2 in the OFFER already',
    source: 'dnsmasq rfc2131.c',
    answer: 'options 58 and 59 are in every OFFER and ACK that gives an address',
  },
  {
    id: 'Q8',
    client: 'HP DL380 Gen9 (UEFI)',
    behaviour: 'does not follow an offer that has it ask again on port 4011',
    source: 'pixiecore: danderson/netboot #43',
    answer:
      'the offer itself names the file, beside a foreign server too, until a style was set or learned for the machine',
  },
  {
    id: 'Q9',
    client: 'Supermicro X11SSE-F',
    behaviour: 'ends with PXE-E18 (server response timeout) where one server offers the address and another the file',
    source: 'bootimus #51, where the cause was not found',
    answer:
      'where Firstlight is the DHCP server, one offer has both; beside another one, PXE style and delay can be set',
  },
  {
    id: 'Q10',
    client: 'Dell PowerEdge (UEFI)',
    behaviour:
      'hangs in PXE-E18 when it is offered no file, takes HTTP boot by URL and class alone, and keeps name servers from iPXE',
    source: 'xCAT #4830, #7743; iPXE #1200, #1316 (R640)',
    answer:
      'UEFI is told a file even to boot its disk; HTTP boot gets HTTPClient and a URL with an address, not a name',
  },
  {
    id: 'Q11',
    client: 'Intel NUC (MAC ec:a8:6b)',
    behaviour: "does not boot by the iPXE that uses the ROM's own UNDI driver",
    source: 'RackHD on-dhcp-proxy lib/message-handler.js',
    answer: 'on BIOS it gets iPXE with its own network drivers, unless a loader was chosen for it or its subnet',
    match: { ouis: ['ec:a8:6b'], architectures: [0] },
    effect: { loader: 'ipxe.pxe' },
  },
  {
    id: 'Q12',
    client: 'Mellanox FlexBoot',
    behaviour: 'is iPXE itself and needs no second one',
    source: 'RackHD on-dhcp-proxy lib/message-handler.js; warewulf3 #104',
    answer: 'option 175 is enough to be told the script at once: not all of them send a user class',
  },
  {
    id: 'Q13',
    client: 'VirtualBox',
    behaviour: 'needs siaddr',
    source: 'RackHD on-dhcp-proxy lib/packet.js',
    answer: 'siaddr is our own address in every reply but a NAK',
  },
  {
    id: 'Q14',
    client: 'Hyper-V',
    behaviour:
      "has a BIOS whose clock gives iPXE no entropy for HTTPS (generation 1), and only the firmware's driver (generation 2)",
    source: 'iPXE commit log',
    answer: 'what machines boot is plain HTTP, and UEFI gets the iPXE that uses the driver of the firmware',
  },
  {
    id: 'Q15',
    client: 'VMware (EFI)',
    behaviour: "cannot go on after the exit of iPXE 1.21.1, which leaves the firmware's PXE driver broken",
    source: 'iPXE #213, commit 25a3d3aca',
    answer: 'a UEFI machine that is to boot its disk is told so before any iPXE runs',
  },
  {
    id: 'Q16',
    client: 'Lenovo HS350X V3',
    behaviour: 'takes the exit of iPXE for a failure and tries the network again for ever',
    source: 'NVIDIA infra-controller #587',
    answer: 'as Q15; where it tries again all the same, its BIOS setting "PXE Retry Count" ends that',
  },
  {
    id: 'Q17',
    client: 'Intel Mac (NetBoot)',
    behaviour: 'looks for its boot server by BSDP, not by PXE',
    source: 'iPXE commit aa4b038c7',
    answer: 'BSDP is not spoken here: it gets an address and no boot data',
    match: { vendorClasses: ['AAPLBSDPC'] },
    effect: { name: 'Apple NetBoot' },
  },
  {
    id: 'Q18',
    client: 'switches with spanning tree or 802.1X MAB',
    behaviour: 'block a port for up to minutes after its link is up',
    source: 'iPXE, which puts DHCP off for up to 180 s',
    answer: 'the switch has to be told that it is an edge port; whoever asks late or again is offered the same address',
  },
  {
    id: 'Q19',
    client: 'Raspberry Pi EEPROM',
    behaviour:
      'failed on block numbers that wrap (until 2025-09), doubled ACKs (2021), relays (2020) and pad options (2020-01)',
    source: 'rpi-eeprom release notes, #58, #720',
    answer:
      'TFTP goes from block 65535 to 0 and never answers a doubled ACK; padding comes after the end of the options only',
  },
  {
    id: 'Q20',
    client: 'Raspberry Pi',
    behaviour:
      "says that it is a BIOS, and would be given a PC's loader; asks for config.txt and more below its serial or MAC",
    source: 'tinkerbell smee; rpi-eeprom',
    answer: 'its MAC gives it away: it gets an address and no loader, and its names are refused at once',
    match: {
      ouis: ['b8:27:eb', 'dc:a6:32', 'e4:5f:01', '28:cd:c1', 'd8:3a:dd', '2c:cf:67'],
      architectures: [0],
    },
    effect: { architecture: 41 },
  },
  {
    id: 'Q21',
    client: 'U-Boot',
    behaviour:
      'wants the TFTP option timeout as it asked for it, ends on TFTP errors 1 and 2, ignores option 67 of a proxy',
    source: 'U-Boot net/tftp.c, net/bootp.c; siderolabs booter #12',
    answer: 'timeout is echoed exactly or left out, a busy server sends no error, and the header names the file too',
  },
  {
    id: 'Q22',
    client: 'U-Boot, legacy wget',
    behaviour:
      'asks by HTTP/1.0 without Host, perhaps without the first slash; matches Content-Length by case, takes 200 and 2 KiB of header',
    source: 'U-Boot net/wget.c',
    answer: 'it is served, but for a path without its first slash, which is answered 400: our URLs all have one',
  },
  {
    id: 'Q23',
    client: 'GRUB',
    behaviour:
      'reads HTTP/1.1 and Content-Length by case, takes 200 and 206 alone, and opens a connection for each seek',
    source: 'GRUB net/http.c',
    answer: 'names keep their case, ranges are served and nothing is redirected',
  },
  {
    id: 'Q24',
    client: 'shim',
    behaviour:
      "fetches from siaddr, in the folder of the header's file name, and asks first for revocations and certificates",
    source: 'shim netboot.c, shim.c',
    answer:
      'the header has name and address, and names that are not ours are refused at once; no shim is among our loaders',
  },
  {
    id: 'Q25',
    client: 'EDK2 with SendGUID',
    behaviour: 'sends its GUID as a hardware address of 16 bytes',
    source: 'EDK2 PxeBcDhcp4.c',
    answer: 'it gets an address as any length does, and no boot data: our names carry an Ethernet address',
  },
  {
    id: 'Q26',
    client: 'Windows boot manager (WDS)',
    behaviour: 'asks for names with backslashes and in mixed case, and asks on port 4011 by REQUEST or INFORM',
    source: 'dnsmasq tftp.c, rfc2131.c',
    answer:
      'loaders and scripts are found with either slash and in any case, and both messages are answered; no Windows is served',
  },
  {
    id: 'Q27',
    client: 'iPXE of 2019 (ROM of QEMU, Debian package)',
    behaviour: 'waits 15.8 s for an IPv6 router after its DHCP ACK',
    source: 'measured; iPXE commit 6ccd5239b of 2020-10-14',
    answer: 'no answer of ours shortens that: put a later build into the folder of --loaders, and it is served at once',
  },
  {
    id: 'Q28',
    client: 'iPXE of 2022 and later (EFI)',
    behaviour: 'asks for autoexec.ipxe before anything else, beside its own file and at the root',
    source: 'iPXE efi_autoexec.c',
    answer: 'both names lead to the script of the machine',
  },
  {
    id: 'Q29',
    client: 'iPXE',
    behaviour: 'sends its user class (77) without the length that RFC 3004 asks for',
    source: 'metal3-io/baremetal-operator #446',
    answer: 'option 77 is read with and without lengths',
  },
  {
    id: 'Q30',
    client: 'OVMF',
    behaviour:
      'sends an option 97 of zeros when it has no UUID, and the first three fields of a UUID in little-endian order',
    source: 'OVMF 2022.11, measured',
    answer: 'zeros go back and identify nobody; a UUID is read as the operating system will show it',
  },
  {
    id: 'Q31',
    client: 'PXELINUX',
    behaviour: 'hangs on some boards in localboot 0',
    source: 'orbit-lab',
    answer: 'PXELINUX is not used: a BIOS is told no file, and an iPXE that runs already boots the disk by sanboot',
  },
  {
    id: 'Q32',
    client: 'macOS',
    behaviour: 'is confused by a lease of less than a minute',
    source: 'dnsmasq',
    answer: 'a lease time below two minutes is refused where it is set, and an imported one is made two minutes',
  },
  {
    id: 'Q33',
    client: 'AudioCodes phones',
    behaviour: 'write to flash while they fetch by TFTP, and are silent meanwhile',
    source: 'dnsmasq CHANGELOG, which waits for them for 120 s',
    answer:
      'who asks for a timeout of 30 s is waited for two minutes, others half a minute; there are no files for phones here',
  },
  {
    id: 'Q34',
    client: 'a PXE client of Penguin (2006)',
    behaviour: 'takes an empty file name for the one of its last boot',
    source: 'Beowulf mailing list, December 2006',
    answer: 'a loader is refused to a machine that is to boot its disk, whatever it was told',
  },
];

/** What a quirk is recognised by, as far as the client told it. */
export type QuirkClient = {
  mac?: string | undefined;
  vendorClass?: string | undefined;
  architecture?: number | undefined;
};

const PARTICULAR = QUIRKS.filter((quirk) => quirk.match !== undefined);

/** The first row that is for this client in particular; undefined for nearly all. */
export function quirkOf(client: QuirkClient): ParticularQuirk | undefined {
  return PARTICULAR.find(({ match }) => isMatch(match, client));
}

function isMatch({ ouis, vendorClasses, architectures }: QuirkMatch, client: QuirkClient): boolean {
  const { mac = '', vendorClass = '', architecture = -1 } = client;
  return (
    (!ouis || ouis.some((oui) => mac.startsWith(oui))) &&
    (!vendorClasses || vendorClasses.some((name) => vendorClass.startsWith(name))) &&
    (!architectures || architectures.includes(architecture))
  );
}
