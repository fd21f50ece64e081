/* command: one SMTP command line taken apart.
 *
 * Lenient in what it recognises and strict in what it calls right: a MAIL whose path does not parse is
 * still a MAIL, because the server may take it as one; `is_valid` then says that it is not what
 * RFC 5321 4.1.2 describes. Leading blanks, lower case, blanks after the colon, source routes
 * and quoted local parts are read as servers read them.
 *
 * Threads: pure functions; spans point into the line given. */
#ifndef WEIR_SCAN_COMMAND_H
#define WEIR_SCAN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum verb {
    VERB_UNKNOWN,
    VERB_EHLO,
    VERB_HELO,
    VERB_LHLO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_RSET,
    VERB_NOOP,
    VERB_VRFY,
    VERB_EXPN,
    VERB_HELP,
    VERB_QUIT,
    VERB_AUTH,
    VERB_STARTTLS,
    VERB_XCLIENT,
    VERB_XFORWARD,
    VERB_XEXCH50, /* carries octets of its own in a form no longer documented: never valid */
    VERB_ETRN,
    VERB_TURN,
    VERB_CNT
};

/* A BDAT size above this does not parse: RFC 3030 gives no limit, no server takes more. */
#define BDAT_SIZE_MAX (UINT32_C(1) << 31)

struct command {
    enum verb verb;
    bool is_valid;      /* arguments are as the RFCs say; always true for VERB_UNKNOWN */
    bool has_params;    /* MAIL, RCPT: ESMTP parameters follow the path */
    bool is_last;       /* BDAT: LAST */
    uint32_t size;      /* BDAT: octets that follow; 0 when !is_valid */
    struct span path;   /* MAIL, RCPT: without angle brackets and source route; may be empty */
    struct span params; /* MAIL, RCPT: after the path; else everything after the verb */
};

/* `line` is without its terminator. */
struct command command_parse(struct span line);

/* Value of attribute `name` ("ADDR") in blank-separated NAME=value attributes, or {NULL, 0}. */
struct span command_attribute(struct span params, const char *name);

/* Upper-case verb, "?" for VERB_UNKNOWN and values outside the enum. Static storage. */
const char *verb_name(enum verb v);

#ifdef __cplusplus
}
#endif
#endif
