#!/usr/bin/perl
# What SpamAssassin makes of the header of each mail, for tests/unit/headercheck.c to compare with scan/.
#
#     tests/unit/header_truth.pl CHECKER FOLDER-OR-FILE..
#
# Runs CHECKER and writes to it, for every mail: the fields that the eval functions read (as SpamAssassin's
# get() gives them), the relays' pseudo-fields, and what each eval function says, for every pair of function
# and arguments in the stock rules. Nothing is asked over the network. Exits 77 (skipped) without
# SpamAssassin or mails, else as CHECKER.
use strict;
use warnings;

exit 77 if !eval { require Mail::SpamAssassin; require Mail::SpamAssassin::PerMsgStatus; 1 };

my ($checker, @places) = @ARGV;
my @mails = grep { -f && !/README$/ } map { -d $_ ? sort glob("$_/*") : $_ } @places;
exit 77 if !@mails;

my @value = qw(Received X-Received Mailing-List Delivered-To To Apparently-To X-Originating-IP
  X-OriginatorOrg X-Sender-Ip Resent-From Resent-To Resent-Date Date X-Mailer X-Gm-Message-State
  X-Google-Smtp-Source Subject Message-Id List-Unsubscribe Content-Type MESSAGEID From ALL);
my %ask = (VALUE => \@value, RAW => [qw(Subject From ALL)], ADDR => [qw(From To EnvelopeFrom)],
  ADDR_ALL => [qw(ToCc Bcc)], FIRST_ADDR => [qw(X-Sender X-Envelope-From Envelope-Sender Return-Path)]);
my %form = (VALUE => '', RAW => ':raw', ADDR => ':addr', FIRST_ADDR => ':first:addr');

# Functions with every list of arguments that the stock rules call them with, and a few more.
my @evals = map { [split /\|/] } (
  (map { "check_for_shifted_date|$_" } '-6|-3', '-12|-6', '-24|-12', '-48|-24', 'undef|-96', '3|6', '6|12',
    '12|24', '24|48', '48|96', '96|2920', '2920|undef'),
  'check_header_count_range|Subject|2|999', 'check_header_count_range|Content-Type|2|999',
  'check_header_count_range|Received|3|999',
  'check_illegal_chars|ALL|0.010|2', 'check_illegal_chars|From|0.20|2', 'check_illegal_chars|Subject|0.00|2',
  'similar_recipients|0.65|undef', 'similar_recipients|0.1|undef', 'similar_recipients|undef|0.5',
  'check_for_to_in_subject|user', 'check_for_to_in_subject|address',
  'check_for_from_domain_in_received_headers|hotmail.com|true',
  'check_for_from_domain_in_received_headers|yahoo.com|false',
  qw(check_all_trusted check_no_relays check_relays_unparseable check_equal_from_domains
    check_for_fake_aol_relay_in_rcvd check_for_faraway_charset_in_headers check_for_unique_subject_id
    check_for_forged_eudoramail_received_headers check_for_forged_gmail_received_headers
    check_for_forged_hotmail_received_headers check_for_forged_juno_received_headers
    check_for_forged_received_trail check_for_forged_yahoo_received_headers
    check_for_matching_env_and_hdr_from check_for_missing_to_header check_for_no_hotmail_received_headers
    check_for_no_rdns_dotcom_helo check_mailfrom_matches_rcvd check_outlook_message_id
    check_ratware_envelope_from check_ratware_name_id check_unresolved_template
    gated_through_received_hdr_remover helo_ip_mismatch sorted_recipients subject_is_all_caps
    check_for_numeric_helo check_for_sender_no_reverse check_for_forged_received_ip_helo
    check_messageid_not_usable check_for_msn_groups_headers));

my $sa = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null' });
$sa->init(0);

open(my $to, '|-', $checker) or die "$checker: $!";
binmode $to;

sub put {
  my ($key, $value) = @_;
  utf8::encode($value) if utf8::is_utf8($value);
  print $to "$key\n", length($value), "\n$value\n";
}

sub put_domain {
  my ($host) = @_;
  my $registry = $sa->{registryboundaries};
  my $domain = $registry->trim_domain($host);
  put("D $host", ($registry->is_domain_valid($domain) ? 1 : 0) . $domain);
}

sub put_mail {
  my ($name, $text) = @_;
  my $msg = $sa->parse($text, 0);
  my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $msg);
  $pms->extract_message_metadata();
  my $meta = $msg->{metadata};

  put('M', $name);
  put('R', $_) for $msg->get_header('Received');
  for my $field (@{$sa->{conf}->{originating_ip_headers}}) {
    my $value = $msg->get_header($field);
    put('O', $value) if $value;
  }
  put("X$_->[0]", $pms->get("X-Spam-Relays-$_->[1]"))
    for [0, 'Trusted'], [1, 'Untrusted'], [2, 'Internal'], [3, 'External'];
  put("C$_->[0]", scalar $pms->get("ALL-$_->[1]"))
    for [0, 'TRUSTED'], [1, 'UNTRUSTED'], [2, 'INTERNAL'], [3, 'EXTERNAL'];
  put('U', $pms->{num_relays_unparseable});
  for my $part (sort keys %ask) {
    for my $field (@{$ask{$part}}) {
      my @all = $part eq 'ADDR_ALL' ? $pms->get("$field:addr") : ();
      my $value = $part eq 'ADDR_ALL' ? (@all ? join('', map { "$_\n" } @all) : undef)
                                      : $pms->get($field . $form{$part}, undef);
      put("G $part $field", $value) if defined $value;
    }
  }
  my $sender = $pms->get_envelope_from();
  put('V', $sender) if defined $sender;
  put_domain($_) for map { /\@(.+)$/ ? lc $1 : () } map { scalar $pms->get("$_:addr") } qw(EnvelopeFrom To);
  put_domain($_->{lc_rdns}) for @{$pms->{relays_untrusted}}, @{$pms->{relays_trusted}};
  for my $call (@evals) {
    my ($function, @args) = @$call;
    my $plugin = $sa->{conf}->{eval_plugins}->{$function} or next;
    my $result = $plugin->$function($pms, @args);
    put('E ' . join('|', @$call), $result ? 1 : 0);
  }
  $pms->finish();
  $msg->finish();
}

for my $name (@mails) {
  open(my $from, '<:raw', $name) or next;
  my $text = do { local $/; <$from> };
  put_mail($name, $text);
}
put('M', '');
close $to;
exit($? >> 8);
