/* span: a borrowed run of octets.
 *
 * The only way bytes travel through scan/. A span never owns; it is valid as long as the buffer
 * that the function's header names. `ptr` may be NULL only when `len` is 0. */
#ifndef WEIR_SCAN_SPAN_H
#define WEIR_SCAN_SPAN_H

#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *ptr;
    size_t len;
};

#endif
