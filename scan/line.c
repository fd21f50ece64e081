#include "scan/line.h"

#include <string.h>
#include <strings.h>

void
line_clear(struct line *l)
{
    l->raised = 0;
    l->total = 0;
    l->len = 0;
    l->has_cr = false;
    l->is_cut = false;
}

void
line_wipe(struct line *l)
{
    explicit_bzero(l->octets, l->len);
    line_clear(l);
}

static void
line_keep(struct line *l, uint8_t octet)
{
    if (l->len < sizeof(l->octets))
        l->octets[l->len++] = octet;
}

static uint32_t
line_cap(const struct line *l)
{
    bool is_auth = l->len >= 5 && strncasecmp((const char *)l->octets, "AUTH ", 5) == 0;

    return is_auth ? AUTH_LEN_MAX : COMMAND_LEN_MAX;
}

bool
line_push(struct line *l, uint8_t octet, uint64_t *events)
{
    uint64_t e = 0;

    *events = 0;
    if (l->total < UINT32_MAX)
        l->total++;
    if (octet == '\n') {
        if (!l->has_cr)
            *events = EVENT_BIT(EVENT_BARE_LF_COMMAND);
        l->has_cr = false;
        return true;
    }
    if (l->has_cr) {
        line_keep(l, '\r');
        e |= EVENT_BIT(EVENT_BARE_CR_COMMAND);
    }
    l->has_cr = octet == '\r';
    if (!l->has_cr)
        line_keep(l, octet);
    if (octet == 0)
        e |= EVENT_BIT(EVENT_NUL_COMMAND);
    if (l->total >= COMMAND_LEN_MAX && l->total >= line_cap(l)) {
        /* The last octet allowed must be the LF, so any other one there is one too many. */
        l->is_cut = true;
        e |= EVENT_BIT(EVENT_COMMAND_TOO_LONG);
    }
    *events = e & ~l->raised;
    l->raised |= e;
    return false;
}

struct span
line_text(const struct line *l)
{
    return (struct span){l->octets, l->len};
}
