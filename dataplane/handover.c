#include "dataplane/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *
handover_page(const char *name, size_t len, bool is_read_only, int *fd)
{
    void *page = MAP_FAILED;
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return NULL;
    if (ftruncate(*fd, (off_t)len) == 0)
        page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    /* F_SEAL_FUTURE_WRITE leaves the mapping above as it is. */
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (is_read_only ? F_SEAL_FUTURE_WRITE : 0);
    if (page != MAP_FAILED && fcntl(*fd, F_ADD_SEALS, seals) == 0)
        return page;
    int why = errno;
    if (page != MAP_FAILED)
        munmap(page, len);
    close(*fd);
    *fd = -1;
    errno = why;
    return NULL;
}

int
handover_init(struct handover *h, uint64_t size)
{
    *h = (struct handover){.fd = -1};
    if (size < HANDOVER_SIZE_MIN || (size & (size - 1)) != 0)
        return -EINVAL;
    size_t len = sizeof(struct link_ring) + size;
    h->ring = handover_page("weir-records", len, false, &h->fd);
    if (!h->ring)
        return -errno;
    h->page_len = len;
    h->size = size;
    handover_offer(h);
    return 0;
}

void
handover_offer(struct handover *h)
{
    h->ring->magic = LINK_MAGIC;
    h->ring->version = LINK_VERSION;
    h->ring->size = h->size;
    __atomic_store_n(&h->ring->dropped, h->dropped, __ATOMIC_RELAXED);
    __atomic_store_n(&h->ring->head, h->head, __ATOMIC_RELEASE);
}

void
handover_fini(struct handover *h)
{
    if (h->ring)
        munmap(h->ring, h->page_len);
    if (h->fd >= 0)
        close(h->fd);
    *h = (struct handover){.fd = -1};
}

/* Copies to the octets at count `at`, around the end. */
static void
copy(struct handover *h, uint64_t at, const void *from, size_t len)
{
    size_t place = at & (h->size - 1), first = h->size - place < len ? h->size - place : len;
    memcpy(h->ring->octets + place, from, first);
    memcpy(h->ring->octets, (const char *)from + first, len - first);
}

static bool
drop(struct handover *h)
{
    __atomic_store_n(&h->ring->dropped, ++h->dropped, __ATOMIC_RELAXED);
    return false;
}

bool
handover_put(struct handover *h, const char *line, size_t len)
{
    uint32_t len32 = (uint32_t)len;
    if (len == 0 || len > LINK_LINE_MAX)
        return drop(h);
    uint64_t need = (sizeof(len32) + len + 7) & ~UINT64_C(7);
    /* acquire: the reader has read what it calls free before we write there. A tail before head's last round or beyond
     * head is no tail: `used` is then more than there is. */
    uint64_t used = h->head - __atomic_load_n(&h->ring->tail, __ATOMIC_ACQUIRE);
    if (used > h->size || need > h->size - used)
        return drop(h);
    copy(h, h->head, &len32, sizeof(len32));
    copy(h, h->head + sizeof(len32), line, len);
    h->head += need;
    /* release: the line is there before head says so */
    __atomic_store_n(&h->ring->head, h->head, __ATOMIC_RELEASE);
    return true;
}
