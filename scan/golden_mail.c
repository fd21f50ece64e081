/* The mails of golden.h. All written for this file; names and addresses are made up, the client addresses are those for
 * documentation. GTUBE and EICAR stand in pieces, or this file would be one of them. A changed mail changes every digest:
 * both processes must be of one build. */
#include "scan/golden.h"

#define L "\r\n"

/* Fields that a mail has; the date is fixed, and nothing here compares it with a clock. */
#define HEAD(from, to, subject, id)                                                                                    \
    "From: " from L "To: " to L "Subject: " subject L "Date: Mon, 06 May 2024 07:08:09 +0000" L "Message-ID: <" id     \
    ">" L "MIME-Version: 1.0" L

#define TYPE(type, encoding) "Content-Type: " type L "Content-Transfer-Encoding: " encoding L
#define PLAIN TYPE("text/plain; charset=us-ascii", "7bit") L

#define X4(text) text text text text
#define X16(text) X4(X4(text))

static const struct golden_mail mails[] = {
    {.name = "plain",
     .client = "192.0.2.10",
     .helo = "mx.harbour-office.example",
     .mail_from = "ann@harbour-office.com",
     .rcpt = {"ben@mill-street.co.uk"},
     .text = HEAD("Ann Harbour <ann@harbour-office.com>", "ben@mill-street.co.uk", "Lunch on Thursday", "a1@harbour-office.com")
         PLAIN "Ben," L L "the usual place at half past twelve? I will bring the drawings." L L "Ann" L},

    {.name = "reply",
     .client = "198.51.100.7",
     .helo = "out.mill-street.co.uk",
     .mail_from = "ben@mill-street.co.uk",
     .rcpt = {"ann@harbour-office.com"},
     .text = "Received: from desk.mill-street.co.uk (desk.mill-street.co.uk [203.0.113.4])" L
             "\tby out.mill-street.co.uk (Postfix) with ESMTPSA id 4Q0aBc" L
             "\tfor <ann@harbour-office.com>; Mon,  6 May 2024 07:20:00 +0000 (UTC)" L
             "In-Reply-To: <a1@harbour-office.com>" L "References: <a1@harbour-office.com>" L
         HEAD("Ben Mill <ben@mill-street.co.uk>", "Ann Harbour <ann@harbour-office.com>", "Re: Lunch on Thursday",
              "b2@mill-street.co.uk")
         PLAIN "Yes, and at one if the train is late." L L "> the usual place at half past twelve?" L "> Ann" L},

    {.name = "german-quoted-printable",
     .client = "192.0.2.33",
     .helo = "mail.werkstatt-am-see.example",
     .mail_from = "kontakt@werkstatt-am-see.de",
     .rcpt = {"buero@vereinshaus.org", "kasse@vereinshaus.org"},
     .text = HEAD("=?ISO-8859-1?Q?J=F6rg_M=FCller?= <kontakt@werkstatt-am-see.de>", "buero@vereinshaus.org",
                  "=?UTF-8?Q?Ihr_Angebot_f=C3=BCr_die_T=C3=BCren?=", "c3@werkstatt-am-see.de")
         TYPE("text/plain; charset=iso-8859-1", "quoted-printable") L
         "Guten Tag," L L "die drei T=FCren k=F6nnen wir in der n=E4chsten Woche liefern, das Ger=FCst ste=" L "ht schon." L L
         "Mit freundlichen Gr=FC=DFen" L},

    {.name = "japanese-base64",
     .client = "198.51.100.81",
     .helo = "smtp.kaigi-shiryo.example",
     .mail_from = "info@kaigi-shiryo.co.jp",
     .rcpt = {"tanaka@machi-no-ie.ne.jp"},
     .text = HEAD("info@kaigi-shiryo.co.jp", "tanaka@machi-no-ie.ne.jp", "=?UTF-8?B?5piO5pel44Gu5Lya6K2w?=",
                  "d4@kaigi-shiryo.co.jp")
         TYPE("text/plain; charset=iso-2022-jp", "base64") L
         "GyRCJCpAJE9DJEskSiRDJEYkKiRqJF4kOSEjGyhCDQobJEJMQEZ8JE4ycTVEJE47cU5BJHIkKkF3" L "JGokNyReJDkhIxsoQg0K" L},

    {.name = "internationalized",
     .client = "2001:db8::25",
     .helo = "mx.xn--bcher-kva.example",
     .mail_from = "post@xn--bcher-kva.ch",
     .rcpt = {"leser@z\303\274rcher-buch.ch"},
     .text = HEAD("B\303\274cher <post@b\303\274cher.ch>", "leser@z\303\274rcher-buch.ch",
                  "Neue B\303\274cher und \303\226l f\303\274r Z\303\274rich", "e5@xn--bcher-kva.ch")
         TYPE("text/plain; charset=utf-8", "8bit") L
         "Die neue Liste: https://www.b\303\274cher.ch/liste und http://xn--bcher-kva.ch/archiv" L},

    {.name = "html",
     .client = "203.0.113.20",
     .helo = "news.garden-letters.example",
     .mail_from = "bounce-771@news.garden-letters.com.au",
     .rcpt = {"reader@bay-library.edu"},
     .text = "List-Unsubscribe: <https://garden-letters.com.au/leave?u=771>" L "Precedence: bulk" L
         HEAD("Garden Letters <news@garden-letters.com.au>", "reader@bay-library.edu", "What to sow in May",
              "f6@garden-letters.com.au")
         TYPE("text/html; charset=utf-8", "7bit") L
         "<html><head><title>May</title><style>p{color:#222}</style></head><body>" L
         "<p>Beans, beetroot &amp; <b>pumpkins</b>: <a href=\"https://garden-letters.com.au/may?x=1&amp;y=2\">read on</a>." L
         "<img src=\"cid:none\" width=\"1\" height=\"1\" alt=\"\"><br>&copy; Garden&nbsp;Letters</p></body></html>" L},

    {.name = "alternative",
     .client = "192.0.2.77",
     .helo = "relay.ticket-counter.example",
     .mail_from = "tickets@ticket-counter.com.br",
     .rcpt = {"viewer@rio-cinema.com.br"},
     .text = HEAD("Ticket Counter <tickets@ticket-counter.com.br>", "viewer@rio-cinema.com.br", "Your booking 4711",
                  "g7@ticket-counter.com.br")
         "Content-Type: multipart/alternative; boundary=\"=_alt\"" L L "This is a message in parts." L "--=_alt" L PLAIN
         "Two seats, row F, 20:15. Show this number at the door: 4711" L "--=_alt" L
         TYPE("text/html; charset=us-ascii", "quoted-printable") L
         "<p>Two seats, row F, 20:15. Show this number at the door: <span style=3D\"font=" L "-weight:bold\">4711</span></p>" L
         "--=_alt--" L},

    {.name = "picture",
     .client = "198.51.100.40",
     .helo = "phone.tele-example.net",
     .mail_from = "dora@tele-network.nl",
     .rcpt = {"oma@familie-boot.nl"},
     .text = HEAD("Dora <dora@tele-network.nl>", "oma@familie-boot.nl", "foto", "h8@tele-network.nl")
         "Content-Type: multipart/mixed; boundary=pic" L L "--pic" L PLAIN "Kijk!" L "--pic" L
         TYPE("image/png; name=foto.png", "base64") "Content-Disposition: inline; filename=foto.png" L L
         "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCA05RTSgAA" L "AABJRU5ErkJggg==" L
         "--pic--" L},

    {.name = "archive",
     .client = "192.0.2.51",
     .helo = "mail.town-council.example",
     .mail_from = "clerk@town-council.gov.uk",
     .rcpt = {"members@town-council.gov.uk", "press@mill-street.co.uk"},
     .text = HEAD("Town Clerk <clerk@town-council.gov.uk>", "members@town-council.gov.uk", "Minutes", "i9@town-council.gov.uk")
         "Content-Type: multipart/mixed; boundary=\"zip zip\"" L L "--zip zip" L PLAIN "The minutes are attached." L
         "--zip zip" L TYPE("application/zip; name=\"minutes.zip\"", "base64")
         "Content-Disposition: attachment; filename=\"minutes.zip\"" L L
         "UEsDBBQAAAAAAAU5pljmNTrqJQAAACUAAAALAAAAbWludXRlcy50eHRUaG9zZSBwcmVzZW50IGFn" L
         "cmVlZCBvbiB0aGUgYnVkZ2V0Lg0KUEsBAhQDFAAAAAAABTmmWOY1OuolAAAAJQAAAAsAAAAAAAAA" L
         "AAAAAIABAAAAAG1pbnV0ZXMudHh0UEsFBgAAAAABAAEAOQAAAE4AAAAAAA==" L "--zip zip--" L},

    {.name = "gzip-log",
     .client = "203.0.113.90",
     .helo = "cron.build-farm.example",
     .mail_from = "root@build-farm.io",
     .rcpt = {"ops@build-farm.io"},
     .text = HEAD("root@build-farm.io (Cron Daemon)", "ops@build-farm.io", "Cron <root@b7> nightly", "j10@build-farm.io")
         "Content-Type: multipart/mixed; boundary=log" L L "--log" L PLAIN "0 errors" L "--log" L
         TYPE("application/gzip", "base64") "Content-Disposition: attachment; filename=nightly.log.gz" L L
         "H4sIAAAAAAACAzMyMDLRNTDVNTBTyM/mAgDZ+3CkDgAAAA==" L "--log--" L},

    {.name = "forwarded",
     .client = "198.51.100.12",
     .helo = "mx.lawyers-row.example",
     .mail_from = "office@lawyers-row.fr",
     .rcpt = {"client@atelier-nord.fr"},
     .text = HEAD("office@lawyers-row.fr", "client@atelier-nord.fr", "Fwd: contrat", "k11@lawyers-row.fr")
         "Content-Type: multipart/mixed; boundary=fwd" L L "--fwd" L PLAIN "Ci-joint." L "--fwd" L
         "Content-Type: message/rfc822" L L
         HEAD("Claire <claire@notaire-sud.fr>", "office@lawyers-row.fr", "contrat", "k10@notaire-sud.fr") PLAIN
         "Le contrat est pr\303\252t." L "--fwd--" L},

    {.name = "mailing-list",
     .client = "203.0.113.61",
     .helo = "lists.sailing-club.example",
     .mail_from = "crew-bounces+7@lists.sailing-club.org.nz",
     .rcpt = {"skipper@south-wharf.co.nz"},
     .text = "List-Id: <crew.lists.sailing-club.org.nz>" L "List-Post: <mailto:crew@lists.sailing-club.org.nz>" L
             "Sender: crew-bounces@lists.sailing-club.org.nz" L "Reply-To: crew@lists.sailing-club.org.nz" L
         HEAD("Moana <moana@south-wharf.co.nz>", "crew@lists.sailing-club.org.nz", "[crew] Saturday's tide",
              "l12@south-wharf.co.nz")
         PLAIN "High water 10:42, we cast off at ten." L "-- " L "crew mailing list" L},

    {.name = "invoice",
     .client = "192.0.2.140",
     .helo = "erp.paper-trade.example",
     .mail_from = "billing@paper-trade.it",
     .rcpt = {"accounts@print-shop.es"},
     .text = HEAD("Paper Trade <billing@paper-trade.it>", "accounts@print-shop.es", "Invoice 2024-0815, EUR 1,204.50",
                  "m13@paper-trade.it")
         "Content-Type: multipart/mixed; boundary=inv" L L "--inv" L PLAIN
         "Please find our invoice attached. Payable within 30 days to IT60 X054 2811 1010 0000 0123 456." L "--inv" L
         TYPE("application/pdf; name*=UTF-8''Rechnung%20%E2%82%AC.pdf", "base64")
         "Content-Disposition: attachment; filename*0=\"Rechnung\"; filename*1=\".pdf\"" L L
         "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZz4+ZW5kb2JqCnRyYWlsZXI8PC9Sb290IDEg" L "MCBSPj4KJSVFT0YK" L
         "--inv--" L},

    {.name = "calendar",
     .client = "198.51.100.99",
     .helo = "cal.school-board.example",
     .mail_from = "calendar@school-board.ca",
     .rcpt = {"teachers@school-board.ca"},
     .text = HEAD("School Board <calendar@school-board.ca>", "teachers@school-board.ca", "Invitation: staff day",
                  "n14@school-board.ca")
         TYPE("text/calendar; method=REQUEST; charset=utf-8", "7bit") L
         "BEGIN:VCALENDAR" L "VERSION:2.0" L "METHOD:REQUEST" L "BEGIN:VEVENT" L "UID:staff-day-1" L
         "DTSTART:20240517T130000Z" L "SUMMARY:Staff day" L "END:VEVENT" L "END:VCALENDAR" L},

    {.name = "long-line",
     .client = "192.0.2.201",
     .helo = "legacy.warehouse.example",
     .mail_from = "stock@warehouse-east.pl",
     .rcpt = {"orders@warehouse-west.pl"},
     .text = HEAD("stock@warehouse-east.pl", "orders@warehouse-west.pl", "stock list", "o15@warehouse-east.pl") PLAIN
         X16(X4("pallet 0042 shelf 7 count 120; ")) X16(X4("pallet 0043 shelf 8 count 96; ")) L "end of list" L},

    {.name = "encoded-words",
     .client = "203.0.113.111",
     .helo = "mx.letters-east.example",
     .mail_from = "pisma@letters-east.ru",
     .rcpt = {"otvet@letters-west.com.ua"},
     .text = HEAD("=?koi8-r?B?8MnT2M3B?= <pisma@letters-east.ru>", "=?utf-8?B?0J7RgtCy0LXRgg==?= <otvet@letters-west.com.ua>",
                  "=?windows-1251?Q?=C2=F1=F2=F0=E5=F7=E0?=" L "\t=?utf-8?Q?_=D0=B2_=D0=BF=D1=8F=D1=82=D0=BD=D0=B8=D1=86=D1=83?=",
                  "p16@letters-east.ru")
         TYPE("text/plain; charset=koi8-r", "8bit") L "\367\323\324\322\305\336\301 \327 \320\321\324\316\311\303\325." L},

    {.name = "no-fields",
     .client = "192.0.2.254",
     .helo = "printer",
     .mail_from = "scanner@small-office.in",
     .rcpt = {"desk@small-office.in"},
     .text = L "Scan finished. 3 pages." L},

    {.name = "odd-mime",
     .client = "198.51.100.200",
     .helo = "[198.51.100.200]",
     .mail_from = "noreply@old-system.co.za",
     .rcpt = {"ops@old-system.co.za"},
     .text = HEAD("noreply@old-system.co.za", "ops@old-system.co.za", "status", "q18@old-system.co.za")
         "Content-Type: multipart/mixed; boundary=open" L L "--open" L TYPE("text/plain", "x-unknown") L
         "disk at =41% and *** rising" L "--open" L TYPE("text/plain", "base64") L "c3R!hdHV*z IG9r" L},

    {.name = "offer",
     .client = "203.0.113.250",
     .helo = "bulk7.cheap-deals.example",
     .mail_from = "winner@cheap-deals-daily.biz",
     .rcpt = {"everybody@bay-library.edu"},
     .text = HEAD("\"YOU WON\" <winner@cheap-deals-daily.biz>", "undisclosed-recipients:;",
                  "CONGRATULATIONS!!! You are selected $1,000,000", "r19@localhost")
         TYPE("text/html", "7bit") L
         "<html><body bgcolor=white><font color=white size=1>zebra ledger plum</font><h1>ACT NOW</h1>" L
         "<a href=\"http://203.0.113.250/claim.exe\">https://www.your-bank.com/login</a> 100% FREE, no risk, click here" L
         "</body></html>" L},

    {.name = "gtube",
     .want = GOLDEN_CATCH,
     .client = "192.0.2.66",
     .helo = "test.probe-mail.example",
     .mail_from = "probe@probe-mail.org",
     .rcpt = {"probe@probe-mail.org"},
     .text = HEAD("probe@probe-mail.org", "probe@probe-mail.org", "test spam mail (GTUBE)", "s20@probe-mail.org") PLAIN
         "XJS*C4JDBQADN1.NSBN3*2IDNEN*" "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X" L},

    {.name = "eicar",
     .want = GOLDEN_CATCH,
     .client = "192.0.2.67",
     .helo = "test.probe-mail.example",
     .mail_from = "probe@probe-mail.org",
     .rcpt = {"probe@probe-mail.org"},
     .text = HEAD("probe@probe-mail.org", "probe@probe-mail.org", "test file", "t21@probe-mail.org")
         "Content-Type: multipart/mixed; boundary=vir" L L "--vir" L PLAIN "A harmless test file." L "--vir" L
         TYPE("application/octet-stream; name=eicar.com", "base64")
         "Content-Disposition: attachment; filename=eicar.com" L L
         "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0ND" "KTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJV" "Uy1URVNU" L "LUZJTEUhJEgrSCo=" L
         "--vir--" L},

    {.name = "dsn",
     .want = GOLDEN_PASS,
     .suffix = "co.uk",
     .client = "198.51.100.25",
     .helo = "mx.mill-street.co.uk",
     .mail_from = "",
     .rcpt = {"ann@harbour-office.com"},
     .text = "Auto-Submitted: auto-replied" L
         HEAD("Mail Delivery System <MAILER-DAEMON@mx.mill-street.co.uk>", "ann@harbour-office.com",
              "Undelivered Mail Returned to Sender", "u22@mx.mill-street.co.uk")
         "Content-Type: multipart/report; report-type=delivery-status; boundary=dsn" L L "--dsn" L PLAIN
         "Your message could not be delivered: the mailbox is full." L "--dsn" L "Content-Type: message/delivery-status" L L
         "Reporting-MTA: dns; mx.mill-street.co.uk" L L "Final-Recipient: rfc822; ben@mill-street.co.uk" L "Action: failed" L
         "Status: 5.2.2" L "--dsn" L "Content-Type: message/rfc822" L L
         HEAD("Ann Harbour <ann@harbour-office.com>", "ben@mill-street.co.uk", "Lunch on Thursday", "a1@harbour-office.com")
         PLAIN "Ben, ..." L "--dsn--" L},

    {.name = "null-sender",
     .want = GOLDEN_PASS,
     .suffix = "ca",
     .client = "203.0.113.5",
     .helo = "vacation.school-board.example",
     .mail_from = "",
     .rcpt = {"calendar@school-board.ca"},
     .text = "Auto-Submitted: auto-replied (vacation)" L
         HEAD("Ms Teacher <teacher@school-board.ca>", "calendar@school-board.ca", "Out of office: Invitation: staff day",
              "v23@school-board.ca")
         PLAIN "I am back on Monday." L},

    {.name = "postmaster",
     .want = GOLDEN_PASS,
     .suffix = "fr",
     .client = "192.0.2.18",
     .helo = "mx.atelier-nord.example",
     .mail_from = "admin@atelier-nord.fr",
     .rcpt = {"postmaster@mill-street.co.uk"},
     .text = HEAD("admin@atelier-nord.fr", "postmaster@mill-street.co.uk", "Your server greets with the wrong name",
                  "w24@atelier-nord.fr")
         PLAIN "Since this morning it says localhost. Can you have a look?" L},

    {.name = "abuse",
     .want = GOLDEN_PASS,
     .suffix = "pl",
     .client = "198.51.100.18",
     .helo = "mx.warehouse-east.example",
     .mail_from = "security@warehouse-east.pl",
     .rcpt = {"abuse@mill-street.co.uk"},
     .text = HEAD("security@warehouse-east.pl", "abuse@mill-street.co.uk", "Complaint about 198.51.100.7",
                  "x25@warehouse-east.pl")
         PLAIN "One of your customers tried our webmail login 500 times last night. Please tell them to stop." L},
};

_Static_assert(sizeof(mails) / sizeof(*mails) <= GOLDEN_CNT_MAX, "callers keep a place for each mail");

unsigned
golden_cnt(void)
{
    return sizeof(mails) / sizeof(*mails);
}

const struct golden_mail *
golden_mail(unsigned idx)
{
    return &mails[idx];
}
