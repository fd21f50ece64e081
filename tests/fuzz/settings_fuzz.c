/* appliance.cfg from anywhere. What is taken reads back the same when it is printed; what is not is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/settings.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_text(struct settings *s, const char *text, size_t len, size_t *errors_len)
{
    char *errors = NULL;
    FILE *to = open_memstream(&errors, errors_len);
    FILE *from = fmemopen((void *)(uintptr_t)text, len, "r");
    MUST(to && from);
    int ret = settings_read_stream(s, "f", from, to);
    fclose(from);
    fclose(to);
    free(errors);
    return ret;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings s, again;
    if (size == 0 || size > 1 << 16)
        return 0;
    size_t errors_len;
    int ret = read_text(&s, (const char *)data, size, &errors_len);
    MUST((ret == 0) == (errors_len == 0));
    if (ret != 0)
        return 0;
    char *printed = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&printed, &len);
    MUST(to);
    settings_print(&s, to);
    fclose(to);
    MUST(read_text(&again, printed, len, &errors_len) == 0);
    MUST(memcmp(&s, &again, sizeof(s)) == 0);
    free(printed);
    return 0;
}
