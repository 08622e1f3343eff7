# Hashes, arrays, regular expressions and subroutines in Perl.  usage: perl loops.pl N
use strict;
use warnings;

sub mix { my ($x, $y) = @_; return ($x * 31 + $y) % 65521; }

my ($n, $state, %seen, @rows) = ($ARGV[0], 1);
for my $i (1 .. $n) {
    $state = mix($state, $i);
    my $line = "key" . ($state % 211) . "=" . $i;
    if ($line =~ /^([a-z]+)(\d+)=(\d+)$/) { $seen{"$1$2"} += $3; }
    push @rows, $state if $i % 3 == 0;
}
my @sorted = sort { $a <=> $b } @rows;
my $sum = 0;
$sum += $seen{$_} % 1000 for sort keys %seen;
print join(" ", $sum, scalar(@sorted), $sorted[0], $sorted[-1]), "\n";
