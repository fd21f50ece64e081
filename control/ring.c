#include "control/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- mapping ---- */

/* A file that its sender could still cut short would be a SIGBUS in the middle of reading. */
static bool
is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK);
}

void *
ring_page(const char *what, int fd, uint64_t len, uint64_t max, bool is_writable, char *err, size_t err_size)
{
    struct stat st;
    const char *why = NULL;
    void *page = MAP_FAILED;
    if (fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (len == 0 || len > max || (uint64_t)st.st_size != len)
        why = "is not of the size that was told";
    else if (!is_sealed(fd))
        why = "may shrink";
    else
        page = mmap(NULL, len, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        return page;
    snprintf(err, err_size, "the data plane's %s: %s", what, why ? why : strerror(errno));
    return NULL;
}

/* The writer's tail is the reader's own of a former life, if nobody else wrote there. */
static uint64_t
first_tail(const struct link_ring *page, uint64_t size)
{
    uint64_t head = __atomic_load_n(&page->head, __ATOMIC_ACQUIRE);
    uint64_t tail = __atomic_load_n(&page->tail, __ATOMIC_RELAXED);
    return head - tail > size || tail % 8 ? head : tail;
}

bool
ring_map(struct ring *r, int fd, uint64_t len, char *err, size_t err_size)
{
    struct ring new = {.page_len = len};
    if (len < sizeof(struct link_ring) + 8) {
        snprintf(err, err_size, "the data plane's record ring: too small");
        return false;
    }
    new.page = ring_page("record ring", fd, len, sizeof(struct link_ring) + RING_SIZE_MAX, true, err, err_size);
    if (!new.page)
        return false;
    new.size = __atomic_load_n(&new.page->size, __ATOMIC_RELAXED);
    new.line = malloc(LINK_LINE_MAX + 1);
    bool is_ring = new.page->magic == LINK_MAGIC && new.page->version == LINK_VERSION &&
                   new.size == len - sizeof(struct link_ring) && (new.size & (new.size - 1)) == 0;
    if (!is_ring || !new.line) {
        snprintf(err, err_size, "the data plane's record ring: %s", is_ring ? "no memory" : "not one that is known here");
        free(new.line);
        munmap(new.page, len);
        return false;
    }
    new.tail = first_tail(new.page, new.size);
    *r = new;
    ring_done(r);
    return true;
}

void
ring_unmap(struct ring *r)
{
    if (r->page)
        munmap(r->page, r->page_len);
    free(r->line);
    *r = (struct ring){0};
}

/* ---- reading ---- */

static void
copy(const struct ring *r, uint64_t at, void *to, size_t len)
{
    size_t place = at & (r->size - 1), first = r->size - place < len ? r->size - place : len;
    memcpy(to, r->page->octets + place, first);
    memcpy((char *)to + first, r->page->octets, len - first);
}

/* What lies there cannot be right: all of it is left out, and given back so that the writer can go on. */
static const char *
start_anew(struct ring *r, uint64_t head)
{
    r->breaks++;
    r->tail = head & ~UINT64_C(7);
    ring_done(r);
    return NULL;
}

const char *
ring_next(struct ring *r, size_t *len)
{
    uint32_t len32;
    if (!r->page)
        return NULL;
    /* acquire: what is before head is written */
    uint64_t head = __atomic_load_n(&r->page->head, __ATOMIC_ACQUIRE), there = head - r->tail;
    if (there == 0)
        return NULL;
    if (there > r->size || there < 8)
        return start_anew(r, head);
    copy(r, r->tail, &len32, sizeof(len32));
    uint64_t need = (sizeof(len32) + (uint64_t)len32 + 7) & ~UINT64_C(7);
    if (len32 == 0 || len32 > LINK_LINE_MAX || need > there)
        return start_anew(r, head);
    copy(r, r->tail + sizeof(len32), r->line, len32);
    r->line[len32] = '\0';
    r->tail += need;
    r->lines++;
    *len = len32;
    return r->line;
}

void
ring_done(struct ring *r)
{
    /* release: the lines are read before the writer may write there */
    if (r->page)
        __atomic_store_n(&r->page->tail, r->tail, __ATOMIC_RELEASE);
}

uint64_t
ring_dropped(const struct ring *r)
{
    return r->page ? __atomic_load_n(&r->page->dropped, __ATOMIC_RELAXED) : 0;
}
