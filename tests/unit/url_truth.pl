#!/usr/bin/perl
# scan/url against SpamAssassin's get_uri_list: the rendered text and the links of a sample of the mails below the
# folders (URL_TRUTH_CNT=0: all), then lines made of a seed. Redirector patterns are off on both sides; strings that
# are not ASCII are compared only where SpamAssassin can make A-labels of them (Net::LibIDN2).
# usage: url_truth.pl URLDUMP FOLDER.. ; exit 77 without SpamAssassin or mails.
use strict;
use warnings;
use File::Find;
use IPC::Open2;
BEGIN { eval { require Mail::SpamAssassin; require Mail::SpamAssassin::PerMsgStatus; 1 } or exit 77 }

$SIG{__WARN__} = sub { };    # SpamAssassin's, about odd octets
my ($tool, @folders) = @ARGV;
my $most = $ENV{URL_TRUTH_CNT} // 300;
my $made = $ENV{URL_TRUTH_MADE} // 1500;
my $has_idn = eval { require Net::LibIDN2; 1 } || eval { require Net::LibIDN; 1 };
my @mails;
find({no_chdir => 1, wanted => sub { push @mails, $_ if -f }}, $_) for grep { -d } @folders;
exit 77 unless @mails;

my $sa = Mail::SpamAssassin->new({local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null'});
$sa->init(0);
$sa->{conf}{redirector_patterns} = [];
my $pid = open2(my $from, my $to, $tool, 'serve');
binmode $from;
binmode $to;

sub octets { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); return $s }

sub put { my ($kind, $value) = @_; print $to $kind, pack('V/a*', octets($value)) }

sub ours {
    my %got;
    put('E', '');
    $to->flush;
    for (;;) {
        read($from, my $len, 4) == 4 or die "no answer\n";
        my $n = unpack('V', $len);
        return \%got if $n == 0xffffffff;
        my $text = '';
        read($from, $text, $n) == $n or die "short answer\n" if $n;
        $got{$text} = 1;
    }
}

my (%cnt, %bad);

sub compare {
    my ($kind, $pms, $where) = @_;
    my $got = ours();
    my %want = map { octets($_) => 1 } $pms->get_uri_list();
    my @odd = grep { !$want{$_} || !$got->{$_} } keys %{{%want, %$got}};
    @odd = grep { !/[^ -~]|xn--/ } @odd unless $has_idn;
    $cnt{"$kind texts"}++;
    $cnt{"$kind URLs"} += keys %want;
    $bad{"$kind URLs"} += @odd;
    return if !@odd || $bad{"$kind texts"}++ >= 5;
    s/([^ -~])/sprintf '\\x%02x', ord $1/ge for @odd, $where;
    print "$kind: $where\n", map { '  ' . ($want{$_} ? 'SpamAssassin only ' : 'we only ') . substr($_, 0, 100) . "\n" } @odd;
}

# ---- mails ----
my @chosen = sort @mails;
my $step = $most && @chosen > $most ? @chosen / $most : 1;
for (my $i = 0; $i < @chosen; $i += $step) {
    open(my $f, '<:raw', $chosen[$i]) or next;
    my $msg = $sa->parse(do { local $/; \<$f> });
    my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $msg);
    $msg->extract_message_metadata($pms);
    put('M', '');
    put('T', $_) for @{$pms->get_decoded_stripped_body_text_array()};
    for my $html (@{$msg->{metadata}{html_all} || []}) {
        my $links = $html->{uri_detail} || {};
        for my $uri (sort keys %$links) {
            my @types = sort keys %{$links->{$uri}{types} || {}};
            put('H', "$_ $uri") for @types ? @types : '-';
        }
    }
    compare('mail', $pms, $chosen[$i]);
    $pms->finish;
    $msg->finish;
}

# ---- lines made of a seed ----
srand(1);
my @pieces = ('http://', 'https://', 'ftp://', 'HTTP://', 'http:', 'http:/', 'hTTps:\\\\', 'www.', 'www2.', 'ftp.', 'mailto:',
    'MAILTO:', 'a', 'b1', 'example', '.com', '.co.uk', '.za', '.html', '.', '..', '@', '/', '//', '?', '#', '&', ':', ':80',
    ':443', ':8080', ':123456', '%20', '%2e', '%40', '%2F', '%41', '%zz', '%', '%25', '\\', ' ', "\t", '<', '>', '"', "'", '(',
    ')', '[', ']', '{', '}', '`', '|', ',', ';', '!', '~', '^', '*', '+', '=', '$', '-', '_', '1', '127.0.0.1', '0x7f.0.0.1',
    '0177.0.0.01', '0x7f000001', '2130706433', '0x1234567890', '012.0x0.08.1', 'user:pw@', 'cid:', 'skype:', 'e-mail:',
    'javascript:', 'file:', 'localhost', '?url=http://x.com/', '/redirect.php?goto=bar.org', 'foo.com', 'x.y.z.org', 'A.B.INFO',
    'd.iki.fi', 'a_b.c.com', '-x.com', 'x' x 60 . '.com', 'y' x 64 . '.net', '%3A', '%3C', '?subject=x');
my $word = sub { join '', map { $pieces[rand @pieces] } 1 .. (1, 2, 3, 3, 4, 4, 5, 6, 8, 12)[rand 10] };
my $url = sub { ('http://', 'https://', '', 'www.', 'mailto:', 'http://')[rand 6] . $word->() };
our @lines;
{
    no warnings 'redefine';
    *Mail::SpamAssassin::PerMsgStatus::get_decoded_stripped_body_text_array = sub { \@main::lines };
}
my $empty = "Subject: x\n\n";
for my $i (1 .. $made) {
    @lines = map { join ' ', map { rand() < 0.5 ? $url->() : $word->() } 0 .. rand 3 } 1 .. 3;
    (my $link = $url->()) =~ s/^\s+|\s+$//g;
    my $msg = $sa->parse(\$empty);
    my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $msg);
    $msg->extract_message_metadata($pms);
    $msg->{metadata}{html_all} = [{uri_detail => {$link => {types => {a => 1}}}}];
    put('M', '');
    put('T', $_) for @lines;
    put('H', "a $link");
    compare('made', $pms, join(' | ', @lines, $link));
    $pms->finish;
    $msg->finish;
}

printf "%-12s %6d, differ %d\n", $_, $cnt{$_}, $bad{$_} || 0 for sort keys %cnt;
close $to;
waitpid $pid, 0;
exit((grep { $_ } values %bad) || $? ? 1 : 0);
