#include "scan/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v1_prefix[6] = "PROXY ";
static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { V2_IPV4_LEN = 12, V2_IPV6_LEN = 36, V2_KEPT_MAX = PROXY_V2_HEADER_LEN + V2_IPV6_LEN };

void
proxy_init(struct proxy *p)
{
    memset(p, 0, sizeof(*p));
}

static bool
parse_port(const char *s)
{
    size_t len = strlen(s);

    return len >= 1 && len <= 5 && strspn(s, "0123456789") == len && strtol(s, NULL, 10) <= 65535;
}

/* "PROXY TCP4 SOURCE DESTINATION SPORT DPORT", single spaces; the CRLF is off. */
static bool
parse_v1(struct proxy *p)
{
    char text[PROXY_V1_LEN_MAX + 1];
    char *word[6], *at = text;
    uint8_t source[16], destination[16];
    int family;

    memcpy(text, p->octets, p->len);
    text[p->len] = '\0';
    if (strlen(text) != p->len)
        return false;
    if (strcmp(text, "PROXY UNKNOWN") == 0 || strncmp(text, "PROXY UNKNOWN ", 14) == 0)
        return true;
    for (unsigned i = 0; i < 6; i++) {
        word[i] = strsep(&at, " ");
        if (word[i] == NULL)
            return false;
    }
    if (at != NULL)
        return false;
    if (strcmp(word[1], "TCP4") == 0)
        family = AF_INET;
    else if (strcmp(word[1], "TCP6") == 0)
        family = AF_INET6;
    else
        return false;
    if (inet_pton(family, word[2], source) != 1 || inet_pton(family, word[3], destination) != 1 ||
        !parse_port(word[4]) || !parse_port(word[5]))
        return false;
    inet_ntop(family, source, p->address, sizeof(p->address));
    return true;
}

/* The 16 fixed octets are there. */
static bool
parse_v2_header(struct proxy *p)
{
    uint8_t command = p->octets[12], family = p->octets[13];
    uint32_t len = (uint32_t)p->octets[14] << 8 | p->octets[15];

    if (command != 0x20 && command != 0x21)
        return false;
    if (command == 0x21 && ((family == 0x11 && len < V2_IPV4_LEN) || (family == 0x21 && len < V2_IPV6_LEN)))
        return false;
    p->skip = len;
    return true;
}

static void
finish_v2(struct proxy *p)
{
    uint8_t command = p->octets[12], family = p->octets[13];

    if (command == 0x21 && family == 0x11)
        inet_ntop(AF_INET, p->octets + PROXY_V2_HEADER_LEN, p->address, sizeof(p->address));
    else if (command == 0x21 && family == 0x21)
        inet_ntop(AF_INET6, p->octets + PROXY_V2_HEADER_LEN, p->address, sizeof(p->address));
}

static enum proxy_next
v1_octet(struct proxy *p, uint8_t c)
{
    if (p->len < sizeof(v1_prefix)) {
        if (c != v1_prefix[p->len])
            return PROXY_BAD;
    } else if (c == '\n') {
        if (p->octets[p->len - 1] != '\r')
            return PROXY_BAD;
        p->len--;
        return parse_v1(p) ? PROXY_DONE : PROXY_BAD;
    } else if (p->octets[p->len - 1] == '\r' || p->len >= PROXY_V1_LEN_MAX - 1) {
        return PROXY_BAD;
    }
    p->octets[p->len++] = c;
    return PROXY_MORE;
}

static enum proxy_next
v2_octet(struct proxy *p, uint8_t c)
{
    if (p->len < sizeof(v2_signature) && c != v2_signature[p->len])
        return PROXY_BAD;
    if (p->len < V2_KEPT_MAX)
        p->octets[p->len++] = c;
    if (p->skip > 0)
        p->skip--;
    else if (p->len < PROXY_V2_HEADER_LEN)
        return PROXY_MORE;
    else if (!parse_v2_header(p))
        return PROXY_BAD;
    if (p->skip > 0)
        return PROXY_MORE;
    finish_v2(p);
    return PROXY_DONE;
}

size_t
proxy_feed(struct proxy *p, const uint8_t *octets, size_t len, enum proxy_next *next)
{
    *next = PROXY_MORE;
    for (size_t i = 0; i < len; i++) {
        bool is_v2 = p->len > 0 ? p->octets[0] == v2_signature[0] : octets[i] == v2_signature[0];

        *next = is_v2 ? v2_octet(p, octets[i]) : v1_octet(p, octets[i]);
        if (*next != PROXY_MORE)
            return i + 1;
    }
    return len;
}
