#include "dataplane/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

RTE_LOG_REGISTER(weir_logtype, weir, NOTICE)

int
log_reopen(FILE *file, const char *path)
{
    fflush(file);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int ret = dup3(fd, fileno(file), O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return ret;
}
