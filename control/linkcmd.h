/* linkcmd: weirctl's direct way to the data plane, by its own socket (link.h): no stages, no journal, no control process. For
 * an appliance without weir-control, for tests, and for when it is away. */
#ifndef WEIR_CONTROL_LINKCMD_H
#define WEIR_CONTROL_LINKCMD_H

#include <stdbool.h>

#include "control/link.h"
#include "control/rulesfile.h"

struct linkcmd {
    const char *socket;
    const char *path; /* push: rules or image */
    struct link_load load;
    struct rulesfile_how how;
    bool wants_json;
};

/* Return what the verb returns; say everything themselves. */
int linkcmd_push(struct linkcmd *o);
int linkcmd_status(struct linkcmd *o);

#endif
