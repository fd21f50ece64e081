/* appliance.cfg from anywhere, as the data plane reads it. What is taken reads back the same when it is printed; what is not
 * is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/config.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_text(struct config *c, const char *text, size_t len, size_t *errors_len)
{
    char *errors = NULL;
    FILE *to = open_memstream(&errors, errors_len);
    FILE *from = fmemopen((void *)(uintptr_t)text, len, "r");
    MUST(to && from);
    int ret = config_read_stream(c, "f", from, to);
    fclose(from);
    fclose(to);
    free(errors);
    return ret;
}

static char *
print(const struct config *c, size_t *len)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, len);
    MUST(to);
    config_print(c, to);
    fclose(to);
    return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config c, again;
    if (size == 0 || size > 1 << 16)
        return 0;
    size_t errors_len, len, len_again;
    int ret = read_text(&c, (const char *)data, size, &errors_len);
    MUST((ret == 0) == (errors_len == 0));
    if (ret != 0)
        return 0;
    char *printed = print(&c, &len);
    MUST(read_text(&again, printed, len, &errors_len) == 0);
    char *printed_again = print(&again, &len_again);
    MUST(len == len_again && memcmp(printed, printed_again, len) == 0);
    free(printed);
    free(printed_again);
    return 0;
}
