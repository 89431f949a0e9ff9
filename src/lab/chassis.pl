# What ipmi_sim runs for each chassis command: `perl chassis.pl SOCKET MACHINE get power`, `... set boot pxe`.
# Asks the rack over its unix socket and prints its answer. Perl, because a BMC is asked for its power state all the
# time and this starts in 10 ms where Node takes 80; perl-base is on every Debian.
use strict;
use Socket;

my ($path, @order) = @ARGV;
socket(my $rack, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
connect($rack, sockaddr_un($path)) or die "$path: $!\n";
syswrite($rack, "@order\n");
my $answer = '';
while (sysread($rack, $answer, 4096, length $answer)) { }
$answer =~ s/^ok ?// or die $answer;
print $answer;
