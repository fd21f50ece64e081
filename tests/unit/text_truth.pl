#!/usr/bin/perl
# scan/charset, scan/word and param_charset against SpamAssassin's own Perl: every mail below the folders,
# then texts made of a seed. usage: text_truth.pl TEXTPIPE FOLDER.. ; exit 77 without SpamAssassin or mails.
use strict;
use warnings;
use File::Find;
use IPC::Open2;
BEGIN { eval { require Mail::SpamAssassin; require Mail::SpamAssassin::Message; 1 } or exit 77 }

$SIG{__WARN__} = sub { };    # SpamAssassin's, about odd lengths
my ($tool, @folders) = @ARGV;
my $pid = open2(my $from, my $to, $tool);
binmode $from;
binmode $to;

sub ask {
    my ($op, $a, $b) = @_;
    print $to $op, pack('V/a*', $a), pack('V/a*', $b);
    $to->flush;
    read($from, my $len, 4) == 4 or die "no answer to $op\n";
    my $n = unpack('V', $len);
    my $got = '';
    read($from, $got, $n) == $n or die "short answer\n" if $n;
    return $got;
}

sub octets { my $s = shift; utf8::encode($s) if utf8::is_utf8($s); return $s }

my (%cnt, %bad);

sub same {
    my ($what, $want, $got, $where) = @_;
    $cnt{$what}++;
    return if $want eq $got;
    return if $bad{$what}++ >= 8;
    my $i = 0;
    $i++ while $i < length $want && $i < length $got && substr($want, $i, 1) eq substr($got, $i, 1);
    my $a = $i > 20 ? $i - 20 : 0;
    printf "%s: %s\n  at %d of %d/%d\n  want %s\n  got  %s\n", $what, $where, $i, length $want, length $got,
        map { my $x = substr($_, $a, 60); $x =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge; $x } $want, $got;
}

sub body {
    my ($charset, $text, $where) = @_;
    my $copy = $text;    # Encode empties what it decodes
    my $want = octets(Mail::SpamAssassin::Message::Node::_normalize($copy, $charset, 1));
    same('body', $want, ask('D', $charset, $text), "$where ($charset)");
}

sub mail {
    my $path = shift;
    open(my $f, '<', $path) or return;
    binmode $f;
    my $octets = do { local $/; <$f> };
    my $m = Mail::SpamAssassin::Message->new({message => $octets, parsenow => 1, normalize => 1});
    $m->parse_body();
    $cnt{mails}++;
    my %seen;
    for my $name (grep { !/\s/ && !$seen{lc $_}++ } @{$m->{header_order}}) {
        my @want = $m->get_header($name);
        my @raw = $m->raw_header($name);
        for my $i (0 .. $#raw) {
            my $kind = $name =~ /^(?:subject|from|to)$/i ? lc $name : 'other fields';
            same($kind, octets($want[$i]), ask('H', $name, $raw[$i]), "$path $name");
        }
    }
    for my $p ($m->find_parts(qr/./, 1)) {
        my $type = $p->header('content-type');
        my $charset = defined $p->{charset} ? $p->{charset} : '';
        $charset = '' if !$type && $charset eq 'us-ascii';    # SpamAssassin fills it in
        same('charset', $charset, ask('C', '', $type), "$path $type");
        my @fields = map { my @v = $p->raw_header($_); @v ? $v[-1] : '' } qw(content-disposition content-type);
        my $name = defined $p->{name} ? octets($p->{name}) : '';
        same('file name', $name, ask('F', @fields), "$path @fields");
        next unless $p->{type} =~ m{^text/};
        body(defined $p->{charset} ? $p->{charset} : 'us-ascii', $p->decode, $path);
    }
    $m->finish;
}

for my $folder (grep { -d } @folders) {
    find({no_chdir => 1, wanted => sub { mail($_) if -f }}, $folder);
}
exit 77 unless $cnt{mails};

# ---- texts made of a seed ----
srand(1);
my @sets = qw(us-ascii utf-8 iso-8859-1 iso-8859-2 iso-8859-7 iso-8859-15 windows-1250 windows-1251 windows-1252
    windows-1255 windows-1256 windows-1258 koi8-r koi8-u shift_jis euc-jp iso-2022-jp euc-kr ks_c_5601-1987 gb2312 gbk
    gb18030 big5 hz utf-7 utf-16 utf-16le utf-16be utf-32le iso-2022-kr cp437 cp866 tis-620 macintosh viscii
    x-unknown latin1 cp932);
my @pieces = ("\e\$B", "\e(B", "\e(I", "\e(J", '~{', '~}', '+', '-', '+AOk-', "\x0e", "\x0f", "a", " text ", "\n",
    "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xef\xbf\xbe", "\x80", "\xe9", "\xa0", "\x93",
    "\x82\xa0", "\xa4\xa2", "\xb0\xa1", "\xa4\xa4", "\x8f\xb0\xa1", "\x8e\xb1", "\x20\x00", "\x00\x20", "a\0",
    "\0a", "\x3d\xd8\x00\xde", "\x00\xd8", '$"', "\x95\x5c", "\xff", "\xfe");

sub text {
    my $n = shift;
    my $t = '';
    for (1 .. $n) {
        $t .= rand() < 0.85 ? $pieces[rand @pieces] : chr(rand 256);
    }
    return $t;
}

for my $i (1 .. ($ENV{TEXT_TRUTH_CNT} || 20000)) {
    my $cs = $sets[rand @sets];
    my $t = text(1 + rand 6);
    my ($c1, $c2) = ($t, $t);
    my $shown = unpack('H*', $t);
    my $kind = $cs =~ /^(?:iso-2022|hz|utf-7)/ ? 'made, escapes' : 'made';
    my $want = octets(Mail::SpamAssassin::Message::Node::_normalize($c1, $cs, 1));
    same("$kind body", $want, ask('D', $cs, $t), "$cs $shown");
    $want = octets(Mail::SpamAssassin::Message::Node::_normalize($c2, $cs, 0, 1));
    same("$kind word", $want, ask('W', $cs, $t), "$cs $shown");
}

# Well-formed texts of every set.
for my $i (1 .. ($ENV{TEXT_TRUTH_CNT} || 20000) / 4) {
    my @ranges = ([0x20, 0x7e], [0xa0, 0xff], [0x410, 0x44f], [0x3041, 0x3093], [0x4e00, 0x9fa0], [0xac00, 0xd7a0]);
    my ($a, $b) = @{$ranges[rand @ranges]};
    my $chars = join '', map { chr(rand() < 0.3 ? 32 + rand 90 : $a + rand($b - $a)) } 1 .. 1 + rand 40;
    my $cs = $sets[rand @sets];
    my $enc = Encode::find_encoding($cs) or next;
    my $t = eval { my $c = $chars; $enc->encode($c, Encode::FB_DEFAULT()) };
    next unless defined $t;
    my $c1 = $t;
    same('well-formed', octets(Mail::SpamAssassin::Message::Node::_normalize($c1, $cs, 1)), ask('D', $cs, $t),
        $cs . ' ' . unpack('H*', $t));
}

# Every pair of octets of the large sets.
for my $cs ($ENV{TEXT_TRUTH_PAIRS} ? qw(shift_jis cp932 euc-jp euc-kr cp949 gb2312 gbk big5) : ()) {
    for my $a (128 .. 255) {
        for my $b (0 .. 255) {
            my $t = chr($a) . chr($b) . 'x';
            my $c = $t;
            my $want = octets(Mail::SpamAssassin::Message::Node::_normalize($c, $cs, 0, 1));
            same("pairs $cs", $want, ask('W', $cs, $t), unpack('H*', $t));
        }
    }
}

my @tokens = ('=?utf-8?Q?', '=?UTF-8?B?', '=?iso-8859-1?q?', '=?iso-2022-jp?B?', '=?koi8-r*ru?Q?', '=?*x?q?', '=?', '?=', ' ',
    "\n ", "\n\t", '=E9', '=C3', '=A9', '_', 'w6k=', 'w6', 'GyRCJCIbKEI=', '=', 'a', "\xe9", "\xc3\xa9", '?', 'text',
    '=?utf-8?q?=C3?= =?utf-8?q?=A9?=', '=?utf-8?b?w6k?=', "\t", '===', '=?euc-kr?B?sKE=?=');
for my $i (1 .. ($ENV{TEXT_TRUTH_CNT} || 20000)) {
    my $v = ' ' . join('', map { $tokens[rand @tokens] } 1 .. 1 + rand 9);
    $v .= "\n";
    my $node = Mail::SpamAssassin::Message::Node->new();
    $node->header('Subject', $v);
    (my $shown = $v) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    same('made header', octets(scalar $node->get_header('Subject')), ask('H', 'Subject', $v), $shown);
}

for my $what (sort keys %cnt) {
    printf "%-20s %6d, differ %d\n", $what, $cnt{$what}, $bad{$what} || 0;
}
# What must not differ: all that real mail has, and made headers but for broken ISO-2022-JP (charset.h).
my @must = grep { /^(?:body|subject|from|to|other fields|well-formed)$/ } keys %bad;
exit(@must ? 1 : 0);
