/* What an evasion researcher tried against the session: each dialogue would get EVIL past it unjudged, if the
 * machine took what the client says for what the server reads. */
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/smtp_drive.h"

namespace {

struct Step {
    char side; /* 'C' or 'S' */
    std::string octets;
};

std::string
run(const std::vector<Step> &steps, uint64_t rng, enum starttls_policy starttls)
{
    static struct trace t;
    struct drive d;

    drive_init(&d, &t, rng);
    fake_max = 4;
    d.cfg.starttls = starttls;
    drive_start(&d);
    for (const Step &s : steps) {
        if (s.side == 'C')
            drive_client(&d, s.octets.data(), s.octets.size());
        else
            drive_server(&d, s.octets.data(), s.octets.size());
    }
    drive_end(&d);
    return t.text;
}

void
expect(const std::vector<Step> &steps, std::initializer_list<const char *> lines,
       enum starttls_policy starttls = STARTTLS_PASS)
{
    for (uint64_t rng = 0; rng < 8; rng++) {
        std::string t = run(steps, rng, starttls);

        for (const char *line : lines)
            EXPECT_NE(t.find(line), std::string::npos) << "split " << rng << " lacks " << line << "\n" << t;
    }
}

const Step HELLO = {'S', "220 mx ESMTP\r\n"};
const Step EHLO = {'C', "EHLO a\r\n"};
const Step EHLO_OK = {'S', "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"};
const Step MAIL = {'C', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"};
const Step OK = {'S', "250 ok\r\n250 ok\r\n354 go\r\n"};
const Step EVIL = {'C', "EVIL\r\n.\r\n"};

} // namespace

/* Postfix hangs up at GET, POST and CONNECT only; Exim and Sendmail at fewer. */
TEST(SmtpAttack, FirstWordsOfHttpAndTls)
{
    for (const char *first : {"PUT x\r\n", "GET / HTTP/1.1\r\n", "OPTIONS *\r\n", "\x16\x03\r\n", "\x16\x03\x01\r\n"})
        expect({HELLO, {'C', first}, {'S', "500 what?\r\n"}, EHLO, EHLO_OK, MAIL, OK, EVIL},
               {"not-smtp=1", "JUDGED refuse", "blind 0"});
}

/* All at once, before the server has said a word. */
TEST(SmtpAttack, FirstWordsBeforeTheGreeting)
{
    std::string all = "\x16\x03\r\nEHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nEVIL\r\n.\r\n";

    expect({{'C', all}, {'S', "220 mx\r\n"}, {'S', "500 what?\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n"}},
           {"not-smtp=1", "JUDGED refuse", "blind 0"});
    expect({{'C', all}}, {"\nclient \\16\\03\n"});
}

/* A chunk that the server takes for commands. */
TEST(SmtpAttack, BdatThatIsNotOffered)
{
    const Step bdat = {'C', "BDAT 500\r\nMAIL FROM:<a@b>\r\n"};

    expect({HELLO, EHLO, {'S', "250-mx\r\n250 PIPELINING\r\n"}, bdat}, {"JUDGED close cause bdat-syntax"});
    expect({HELLO, {'C', "HELO a\r\n"}, {'S', "250 CHUNKING\r\n"}, bdat}, {"JUDGED close cause bdat-syntax"});
    expect({HELLO, EHLO, EHLO_OK, {'C', "HELO a\r\n"}, {'S', "250 a\r\n"}, bdat}, {"JUDGED close cause bdat-syntax"});
    expect({HELLO, bdat}, {"JUDGED close cause bdat-syntax"});
    expect({HELLO, EHLO, {'S', "250-mx\r\n250-chunking\r\n250 X\r\n"}, {'C', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4 LAST\r\nEVIL"}},
           {"JUDGED refuse cause none octets 4"});
}

/* The reply to a command before the data does not drop the data. */
TEST(SmtpAttack, LateReplyToXforwardOrXclient)
{
    for (const char *command : {"XFORWARD NAME=x\r\n", "XCLIENT NAME=x\r\n"}) {
        std::string group = std::string(command) + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nEVIL";

        expect({HELLO, EHLO, EHLO_OK, {'C', group}, {'S', "250 ok\r\n"}, {'S', "250 a\r\n250 b\r\n250 c\r\n"}, {'C', "BDAT 1 LAST\r\nx"}},
               {"JUDGED"});
    }
    expect({HELLO, EHLO, EHLO_OK, {'C', "XFORWARD NAME=x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nEVIL"}, {'S', "250 ok\r\n250 a\r\n250 b\r\n250 c\r\n"}, {'C', "BDAT 1 LAST\r\nx"}},
           {"JUDGED refuse cause none octets 5"});
    expect({HELLO, EHLO, EHLO_OK, {'C', "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4\r\nEVILXFORWARD NAME=x\r\n"}, {'S', "250 a\r\n250 b\r\n250 c\r\n250 ok\r\n"}, {'C', "BDAT 1 LAST\r\nx"}},
           {"JUDGED refuse cause none octets 5"});
}

/* Postfix skips any blank before the verb. */
TEST(SmtpAttack, BlanksBeforeStarttls)
{
    for (const char *line : {"\vSTARTTLS\r\n", "\f \tstarttls\r\n"}) {
        for (enum starttls_policy p : {STARTTLS_STRIP, STARTTLS_REFUSE})
            expect({HELLO, EHLO, EHLO_OK, {'C', line}, {'S', "220 go\r\n"}}, {"starttls-stripped=1", "blind 0"}, p);
    }
}
