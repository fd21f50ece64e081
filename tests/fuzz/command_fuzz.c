/* line and command: spans lie in the line, caps hold, case does not matter, BDAT sizes are what they say. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/command.h"
#include "scan/line.h"

static void
inside(struct span s, struct span line)
{
    if (s.len > 0)
        assert(s.ptr >= line.ptr && s.ptr + s.len <= line.ptr + line.len);
}

static void
check(struct span line)
{
    uint8_t *copy = malloc(line.len > 0 ? line.len : 1);
    struct span exact = {copy, line.len}, value;
    struct command c, again;

    if (line.len > 0)
        memcpy(copy, line.ptr, line.len);
    c = command_parse(exact);
    assert((unsigned)c.verb < VERB_CNT);
    inside(c.path, exact);
    inside(c.params, exact);
    assert(!c.is_valid || c.path.len <= PATH_LEN_MAX);
    assert(c.is_valid || c.size == 0);
    assert(c.size <= BDAT_SIZE_MAX);
    value = command_attribute(c.params, "ADDR");
    inside(value, exact);
    if (c.verb == VERB_BDAT && c.is_valid) {
        char text[16];

        snprintf(text, sizeof(text), "%u", c.size);
        assert(memmem(copy, line.len, text, strlen(text)) != NULL);
    }
    for (size_t i = 0; i < line.len; i++)
        copy[i] = (uint8_t)tolower(copy[i]);
    again = command_parse(exact);
    assert(again.verb == c.verb && again.is_valid == c.is_valid && again.size == c.size);
    assert(again.path.len == c.path.len && again.params.len == c.params.len);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    static struct line l;
    size_t begin = 0;

    line_clear(&l);
    for (size_t i = 0; i < len; i++) {
        uint64_t events;
        bool is_complete = line_push(&l, octets[i], &events);

        assert(is_complete == (octets[i] == '\n'));
        assert(l.len <= COMMAND_LEN_MAX && l.total == i + 1 - begin);
        if (!is_complete)
            continue;
        if (!l.is_cut) {
            size_t text = i - begin - (i > begin && octets[i - 1] == '\r');

            assert(l.len == text && memcmp(l.octets, octets + begin, text) == 0);
            assert(!(events & EVENT_BIT(EVENT_BARE_LF_COMMAND)) == (text != i - begin));
        }
        check(line_text(&l));
        line_wipe(&l);
        begin = i + 1;
    }
    return 0;
}
