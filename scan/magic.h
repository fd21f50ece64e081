/* magic: what a file is, by its first octets; and what a file name says it is.
 *
 * A small table of the types that come by mail, not libmagic: that one is slow and allocates. The answer
 * hangs on the first MAGIC_HEAD_LEN octets alone (and on octets 32,769 ff. for ISO 9660, which attachment.h
 * brings). What is inside a container (a .docx in a ZIP without its usual first member, .doc or .msi in an
 * OLE2) may stay MAGIC_ZIP or MAGIC_OLE2: archive.h names the members.
 *
 * Owns:    nothing; constant tables.
 * Threads: pure functions.
 * Limits:  MAGIC_HEAD_LEN octets are looked at.
 * Fails:   never: MAGIC_DATA when nothing fits. */
#ifndef WEIR_SCAN_MAGIC_H
#define WEIR_SCAN_MAGIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scan/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Octets that magic_detect looks at: a ZIP's first member name, ODF's "mimetype", a TAR's mark at 257. */
enum { MAGIC_HEAD_LEN = 512 };

/* Octets of ISO 9660's mark, and where it stands. */
enum { MAGIC_ISO_LEN = 5, MAGIC_ISO_OFF = 32769 };

enum magic {
    MAGIC_DATA, /* none of these */
    MAGIC_EMPTY,
    MAGIC_TEXT, /* no control octets but white space */
    MAGIC_HTML,
    MAGIC_XML,
    MAGIC_SVG,
    MAGIC_HTA,
    MAGIC_SCRIPT, /* #! */
    MAGIC_EML,    /* a mail */
    MAGIC_CALENDAR,
    MAGIC_VCARD,
    MAGIC_PGP,
    MAGIC_UUENCODE,
    MAGIC_EICAR,
    MAGIC_URL_SHORTCUT, /* [InternetShortcut] */
    MAGIC_MZ,           /* DOS or Windows program */
    MAGIC_ELF,
    MAGIC_MACHO,
    MAGIC_CLASS,
    MAGIC_DEX,
    MAGIC_LNK,
    MAGIC_ZIP,
    MAGIC_OOXML,
    MAGIC_ODF,
    MAGIC_EPUB,
    MAGIC_JAR,
    MAGIC_APK,
    MAGIC_GZIP,
    MAGIC_BZIP2,
    MAGIC_XZ,
    MAGIC_ZSTD,
    MAGIC_COMPRESS, /* .Z */
    MAGIC_7Z,
    MAGIC_RAR,
    MAGIC_ACE,
    MAGIC_CAB,
    MAGIC_ARJ,
    MAGIC_LHA,
    MAGIC_TAR,
    MAGIC_ISO,
    MAGIC_OLE2,
    MAGIC_PDF,
    MAGIC_RTF,
    MAGIC_PS,
    MAGIC_CHM,
    MAGIC_ONENOTE,
    MAGIC_TNEF,
    MAGIC_GIF,
    MAGIC_PNG,
    MAGIC_JPEG,
    MAGIC_BMP,
    MAGIC_TIFF,
    MAGIC_WEBP,
    MAGIC_ICO,
    MAGIC_WMF,
    MAGIC_EMF,
    MAGIC_PSD,
    MAGIC_MP3,
    MAGIC_WAV,
    MAGIC_AVI,
    MAGIC_OGG,
    MAGIC_FLAC,
    MAGIC_MIDI,
    MAGIC_AU,
    MAGIC_MP4,
    MAGIC_MPEG,
    MAGIC_ASF,
    MAGIC_MATROSKA,
    MAGIC_FLASH,
    MAGIC_FONT,
    MAGIC_SQLITE,
    MAGIC_DER, /* keys, certificates, S/MIME */
    MAGIC_CNT
};

/* What a type is good for: a file name's word and the octets disagree when their families do. */
enum magic_family {
    FAMILY_UNKNOWN,
    FAMILY_TEXT,
    FAMILY_EXECUTABLE, /* runs when it is opened */
    FAMILY_ARCHIVE,
    FAMILY_DOCUMENT,
    FAMILY_IMAGE,
    FAMILY_MEDIA
};

/* The type of what begins with these octets. `is_whole`: nothing follows them. len is cut to
 * MAGIC_HEAD_LEN. */
enum magic magic_detect(const uint8_t *head, size_t len, bool is_whole);

/* "application/zip"; lives for ever. The name file(1) gives it, where it has one. */
const char *magic_mime(enum magic m);

/* "ZIP": for rules and records. */
const char *magic_name(enum magic m);

enum magic_family magic_family(enum magic m);

/* What a file name's extension (lower case, no dot) promises. False when it is not known here. */
bool extension_family(struct span extension, enum magic_family *family);

/* True unless the extension promises something that octets of type m cannot be: "pdf" and MAGIC_MZ. An
 * unknown extension and MAGIC_DATA of media or text are no promise broken. */
bool extension_fits(struct span extension, enum magic m);

#ifdef __cplusplus
}
#endif
#endif
