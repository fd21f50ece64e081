/* received_private: what the files of received.h share: a line being read, its clauses and its
 * shape.
 *
 *     value -> received_normal -> line -> received_clauses (id, by, helo, auth: wherever they
 * stand)
 *                                      -> received_shape   (first word, groups, by: in their order)
 *                                      -> received_form    (which shape of which product means
 * what)
 *
 * Owns:    nothing; spans point into the line. */
#ifndef WEIR_SCAN_RECEIVED_PRIVATE_H
#define WEIR_SCAN_RECEIVED_PRIVATE_H

#include "scan/received.h"
#include "scan/span_text.h"

enum {
    /* Groups of one line that are read; no known format has more than 4 before its "by". */
    RECEIVED_GROUPS_MAX = 8,

    /* Octets of an auth value that is put together from several words. */
    RECEIVED_AUTH_MAX = 256
};

/* What a line was. */
enum received_kind {
    RECEIVED_UNREAD,  /* not this form; in the end: unparseable */
    RECEIVED_SKIP,    /* no TCP handover */
    RECEIVED_FETCHED, /* a mailbox was fetched: what stands above is no relay of the sender */
    RECEIVED_SCANNER, /* qmail-scanner: its envelope sender belongs to the next line */
    RECEIVED_RELAY,
};

/* The values as the line has them, before they are cleaned. */
struct handover {
    struct span ip;
    struct span rdns;
    struct span helo;
    struct span by;
    struct span ident;
    struct span envfrom;
    struct span id;
    struct span auth;
    bool has_envfrom;
    bool has_lookup; /* this MTA looks up the client's name: no rdns means there is none */
    char auth_text[RECEIVED_AUTH_MAX];
};

enum group_kind {
    GROUP_OTHER,
    GROUP_NAME_IP, /* (name [ip]extra) */
    GROUP_TIGHT,   /* (name[ip]) */
    GROUP_IP,      /* (ident@ip extra), (ident@[ip]extra), ([ip:port]extra), all but ip optional */
    GROUP_HELO,    /* (HELO name), (EHLO name) */
    GROUP_LHLO,    /* (LHLO name) */
    GROUP_SQUARE,  /* [ip]extra, outside of parentheses */
};

struct group {
    enum group_kind kind;
    struct span text; /* between the parentheses, or the word that starts with "[" */
    struct span name;
    struct span ip;
    struct span ident;
    struct span extra;
    bool has_ident;
    bool is_bracketed;
    bool has_port;  /* inside the brackets */
    bool is_spaced; /* a blank before the address */
};

/* A line after "from ". */
struct shape {
    struct span text;
    struct span first; /* empty when a group stands first */
    struct group group[RECEIVED_GROUPS_MAX];
    unsigned cnt;
    struct span by;
    struct span after;   /* behind by's word; empty, or a blank first */
    bool is_by_next;     /* nothing but groups between first and by */
    bool is_after_paren; /* ")" right before " by" */
};

void received_clauses(struct span line, struct handover *h);
void received_shape(struct span text, struct shape *s);
enum received_kind received_form(const struct shape *s, struct handover *h);
enum received_kind received_local(const struct shape *s);

/* The whole of it: a normal line to a handover. */
enum received_kind received_read(struct span line, struct handover *h);

/* Lines that are skipped before their date is cut, since the date is part of what tells. */
bool received_is_ignored(struct span line);

#endif
