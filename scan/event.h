/* event: the closed list of things a peer may do that are not plainly right.
 *
 * What they send is an event, never an error: it has a name, is counted, and is handled by policy
 * (`[ambiguity]` in appliance.cfg gives a verdict per name). Events of one message are kept as a bit
 * set, so there may be at most 64.
 *
 * An event whose action does not forward takes effect at the octet that raises it: everything up to
 * there was unjudged, and that octet never reaches the server.
 *
 * The default action stands in EVENT_LIST beside the name; "why" is printed by `weirctl check`. */
#ifndef WEIR_SCAN_EVENT_H
#define WEIR_SCAN_EVENT_H

#include <stdint.h>

#include "scan/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*    enumerator            name in files          default action   what happened */
#define EVENT_LIST(X) \
    X(NONE,                 "none",                ACCEPT, "nothing") \
    /* SMTP, client side */ \
    X(BARE_LF_COMMAND,      "bare-lf-command",     ACCEPT, "a command line ended in LF without CR") \
    X(BARE_CR_COMMAND,      "bare-cr-command",     CLOSE,  "a CR inside a command line, which some servers read as its end") \
    X(NUL_COMMAND,          "nul-command",         CLOSE,  "a NUL inside a command line") \
    X(COMMAND_TOO_LONG,     "command-too-long",    CLOSE,  "a command line longer than the cap") \
    X(COMMAND_UNKNOWN,      "command-unknown",     ACCEPT, "a verb that is not known") \
    X(COMMAND_SYNTAX,       "command-syntax",      ACCEPT, "a known verb with arguments that do not parse") \
    X(COMMAND_ORDER,        "command-order",       ACCEPT, "a command where RFC 5321 does not allow it") \
    X(PIPELINE_CAP,         "pipeline-cap",        CLOSE,  "more unanswered commands than the cap") \
    X(DATA_PIPELINED,       "data-pipelined",      ACCEPT, "octets after DATA before the server's reply; they wait for it") \
    X(AUTH_PIPELINED,       "auth-pipelined",      ACCEPT, "octets after AUTH before the server's reply; they wait for it") \
    X(STARTTLS_PIPELINED,   "starttls-pipelined",  CLOSE,  "octets after STARTTLS before the server's reply (CVE-2011-0411)") \
    X(STARTTLS_BLIND,       "starttls-blind",      ACCEPT, "the session went on under TLS, unseen") \
    X(STARTTLS_STRIPPED,    "starttls-stripped",   ACCEPT, "STARTTLS was overwritten as configured") \
    X(NOT_SMTP,             "not-smtp",            ACCEPT, "the first octets are TLS or HTTP; they are read as a command") \
    X(BDAT_SYNTAX,          "bdat-syntax",         CLOSE,  "a BDAT size that does not parse, or a BDAT that the server did not offer: the extent of its data is unknown") \
    X(BDAT_MIXED,           "bdat-mixed",          CLOSE,  "DATA and BDAT in one transaction") \
    X(RCPT_CAP,             "rcpt-cap",            ACCEPT, "more recipients than are recorded (all are counted)") \
    X(PROXY_BAD,            "proxy-bad",           CLOSE,  "a PROXY header that does not parse") \
    X(XCLIENT,              "xclient",             ACCEPT, "XCLIENT or XFORWARD was used") \
    /* SMTP, server side */ \
    X(REPLY_SYNTAX,         "reply-syntax",        ACCEPT, "a reply line that does not parse") \
    X(REPLY_UNSOLICITED,    "reply-unsolicited",   ACCEPT, "a reply to no command") \
    /* message octets */ \
    X(BARE_LF,              "bare-lf",             ACCEPT, "LF without CR in a message") \
    X(BARE_CR,              "bare-cr",             ACCEPT, "CR without LF in a message") \
    X(NUL,                  "nul",                 ACCEPT, "NUL in a message") \
    X(LINE_TOO_LONG,        "line-too-long",       ACCEPT, "a line over 998 octets in a message") \
    X(SMUGGLED_EOD,         "smuggled-eod",        REFUSE, "a dot alone on a line that some servers take for the end of data (CVE-2023-51764)") \
    /* header and MIME */ \
    X(HEADER_CAP,           "header-cap",          ACCEPT, "more header octets or fields than are examined by field; full sees all") \
    X(HEADER_GARBAGE,       "header-garbage",      ACCEPT, "a line in the header that is no field") \
    X(HEADER_NO_END,        "header-no-end",       ACCEPT, "the message ended inside its header") \
    X(FIELD_DUPLICATE,      "field-duplicate",     ACCEPT, "Content-Type, Content-Transfer-Encoding, From or another single field twice") \
    X(MIME_DEPTH_CAP,       "mime-depth-cap",      ACCEPT, "multiparts nested deeper than the cap; deeper parts are scanned undecoded") \
    X(MIME_PART_CAP,        "mime-part-cap",       ACCEPT, "more parts than the cap; further parts are scanned undecoded") \
    X(MIME_BOUNDARY,        "mime-boundary",       ACCEPT, "a multipart without a usable boundary or without its end") \
    X(ENCODING_UNKNOWN,     "encoding-unknown",    ACCEPT, "a Content-Transfer-Encoding that is not known") \
    X(BASE64_JUNK,          "base64-junk",         ACCEPT, "octets outside the alphabet, or padding in the middle") \
    X(QP_JUNK,              "qp-junk",             ACCEPT, "an invalid quoted-printable escape") \
    X(CHARSET_UNKNOWN,      "charset-unknown",     ACCEPT, "a character set that is not known, or text that is not in it") \
    X(INVISIBLE_TEXT,       "invisible-text",      ACCEPT, "HTML with text that its reader cannot see; it is scanned with the rest") \
    X(HTML_CAP,             "html-cap",            ACCEPT, "HTML with more links, names or nesting than the caps") \
    X(URL_CAP,              "url-cap",             ACCEPT, "more URLs than the caps; the others are matched") \
    X(ATTACHMENT_NAME,      "attachment-name",     ACCEPT, "a file name that hides what the file is, or a type other than its name says") \
    X(ARCHIVE_ENCRYPTED,    "archive-encrypted",   ACCEPT, "an archive with encrypted members") \
    X(ARCHIVE_ODD,          "archive-odd",         ACCEPT, "an archive whose parts contradict each other, or that cannot be read") \
    X(ARCHIVE_CAP,          "archive-cap",         ACCEPT, "an archive with more members, octets or depth than the caps") \
    /* scanning */ \
    X(MATCH_LIMIT,          "match-limit",         ACCEPT, "a pattern was given up at its limit of steps; it counts as no hit") \
    X(SCAN_ERROR,           "scan-error",          DEFER,  "the matcher failed on this message") \
    X(NO_RULES,             "no-rules",            ACCEPT, "no rule set is loaded") \
    X(RULES_DISAGREE,       "rules-disagree",      DEFER,  "the rule sets before and after a change judge a message otherwise; the sender tries again") \
    X(RULES_RETURNED,       "rules-returned",      DEFER,  "a rule set was taken back while it judged a message that it would refuse") \
    X(MESSAGE_CAP,          "message-cap",         DEFER,  "more messages in flight than the cap") \
    /* TCP */ \
    X(TCP_CONFLICT,         "tcp-conflict",        ACCEPT, "a retransmission or overlap differed; it was rewritten to what was scanned") \
    X(TCP_URGENT,           "tcp-urgent",          ACCEPT, "urgent data; it was made ordinary data") \
    X(STALL_TIMEOUT,        "stall-timeout",       CLOSE,  "octets that waited for a reply waited too long")
/* clang-format on */

enum event {
#define X(id, name, action, why) EVENT_##id,
    EVENT_LIST(X)
#undef X
    EVENT_CNT
};

/* Bit of `e` in a set of events. */
#define EVENT_BIT(e) (UINT64_C(1) << (e))

/* The name above; "?" outside the enum. Static storage. */
const char *event_name(enum event e);
const char *event_why(enum event e);
enum verdict event_default_action(enum event e);

/* EVENT_CNT when no event has this name. */
enum event event_parse(const char *name);

#ifdef __cplusplus
}
static_assert(EVENT_CNT <= 64, "events are kept as one 64-bit set");
#else
_Static_assert(EVENT_CNT <= 64, "events are kept as one 64-bit set");
#endif
#endif
