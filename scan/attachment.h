/* attachment: what is known about one decoded leaf part (or one member of an archive) while it streams past.
 *
 *     attachment_init -> attachment_name? -> attachment_feed* -> attachment_end -> read the fields
 *
 * Counted, hashed, typed by its first octets (magic.h), and its file name held against that type. Any split of
 * the octets gives the same result.
 *
 * Hashes: only those asked for are computed (signature_table_hashes() of a loaded set, and ATTACHMENT_SHA256
 * when records want it). libcrypto's EVP contexts are not used: in OpenSSL 3.0 every EVP_DigestInit_ex2 and
 * every EVP_MD_CTX_copy_ex takes memory, re-used context or not. The plain contexts are fixed structs that
 * run the same code.
 *
 * Owns:    nothing; about 1 kB of state.
 * Threads: none kept.
 * Limits:  ATTACHMENT_NAME_MAX octets of a name are looked at, from its end: that is where the extension is.
 * Fails:   never. */
#ifndef WEIR_SCAN_ATTACHMENT_H
#define WEIR_SCAN_ATTACHMENT_H

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/magic.h"
#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

enum attachment_hash { ATTACHMENT_MD5 = 1, ATTACHMENT_SHA1 = 2, ATTACHMENT_SHA256 = 4 };

enum {
    /* A file system's limit for a name; the rest of a longer one is in front and does not count. */
    ATTACHMENT_NAME_MAX = 255,
    ATTACHMENT_EXTENSION_MAX = 15
};

enum attachment_flag {
    ATTACHMENT_MISMATCH = 1,         /* the extension promises another type than the octets are */
    ATTACHMENT_DOUBLE_EXTENSION = 2, /* "invoice.pdf.exe", "invoice.pdf      .exe" */
    ATTACHMENT_RUNS = 4,             /* its extension runs when it is opened (.exe, .js, .lnk ...) */
    ATTACHMENT_IS_PROGRAM = 8,       /* its octets are a program */
    ATTACHMENT_NAME_BIDI = 16,       /* U+202A..202E, U+2066..2069: "cod\u202Eslx.exe" */
    ATTACHMENT_NAME_PADDED = 32,     /* ends in dots or blanks, which Windows takes away; or a blank run */
    ATTACHMENT_NAME_CONTROL = 64     /* has control octets */
};

struct attachment {
    uint64_t len;    /* octets so far */
    unsigned hashes; /* enum attachment_hash: those computed */
    unsigned flags;  /* enum attachment_flag: of the name at once, of the octets at the end */
    enum magic magic; /* MAGIC_DATA until MAGIC_HEAD_LEN octets are there or it is ended */
    bool is_typed;    /* magic is final but for MAGIC_ISO */
    bool is_ended;
    uint8_t md5[16]; /* hashes: after attachment_end, those asked for */
    uint8_t sha1[20];
    uint8_t sha256[32];
    char extension[ATTACHMENT_EXTENSION_MAX + 1]; /* lower case, "" without one or when longer */

    /* private */
    MD5_CTX md5_ctx;
    SHA_CTX sha1_ctx;
    SHA256_CTX sha256_ctx;
    uint8_t head[MAGIC_HEAD_LEN];
    uint8_t iso[MAGIC_ISO_LEN];
};

/* `hashes`: enum attachment_hash, or'ed. */
void attachment_init(struct attachment *a, unsigned hashes);

/* The file name, decoded (UTF-8; other octets do no harm). Sets the flags of the name and the extension. At
 * most once, before attachment_end. */
void attachment_name(struct attachment *a, struct span name);

void attachment_feed(struct attachment *a, const uint8_t *octets, size_t len);

/* No octets follow: hashes, magic and flags are final. */
void attachment_end(struct attachment *a);

#ifdef __cplusplus
}
#endif
#endif
