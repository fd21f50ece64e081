#!/usr/bin/perl
# SpamAssassin's word on mails: a line of JSON each, with its score and every rule and sub-rule that hit.
#
#   sa_oracle.pl RULES SITE STATE < LIST
#
# RULES is a folder or file of rules, SITE a folder with the *.pre files (which plugins), STATE a folder that it may
# write to; LIST has a line a mail: "KEY PATH". Local tests only: no network, no Bayes, no reputation, and no cut
# of long parts (Weir scans whole messages). sa_truth.py runs one of these per core.
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

my ($rules, $site, $state) = @ARGV;
$ENV{HOME} = $state;
my $sa = Mail::SpamAssassin->new({
    rules_filename => $rules, site_rules_filename => $site, userprefs_filename => '/dev/null',
    userstate_dir => $state, local_tests_only => 1, dont_copy_prefs => 1, require_rules => 1,
    post_config_text => "use_bayes 0\nskip_rbl_checks 1\ndns_available no\ntime_limit 0\n"
        . "body_part_scan_size 0\nrawbody_part_scan_size 0\n" });
$sa->init(1);
$| = 1;
my $json = JSON::PP->new->canonical->latin1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($key, $path) = split / /, $line, 2;
    open(my $f, '<:raw', $path) or die "$path: $!";
    my $octets = do { local $/; <$f> };
    close $f;
    my $mail = $sa->parse($octets);
    my $status = $sa->check($mail);
    my (%tests, %subtests);
    $tests{$_} = 1 for grep { $_ ne '' } split(/,/, $status->get_names_of_tests_hit());
    $subtests{$_}++ for grep { $_ ne '' } split(/,/, $status->get_names_of_subtests_hit());
    print $json->encode({ key => $key, score => $status->get_score() + 0, required => $status->get_required_score() + 0,
        tests => [ sort keys %tests ], subtests => [ sort keys %subtests ] }), "\n";
    $status->finish;
    $mail->finish;
}
