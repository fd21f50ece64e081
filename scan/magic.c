#include "scan/magic.h"

#include <string.h>
#include <strings.h>

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

struct info {
    const char *name;
    const char *mime;
    enum magic_family family;
};

/* clang-format off */
static const struct info infos[MAGIC_CNT] = {
    [MAGIC_DATA] = { "DATA", "application/octet-stream", FAMILY_UNKNOWN },
    [MAGIC_EMPTY] = { "EMPTY", "inode/x-empty", FAMILY_UNKNOWN },
    [MAGIC_TEXT] = { "TEXT", "text/plain", FAMILY_TEXT },
    [MAGIC_HTML] = { "HTML", "text/html", FAMILY_TEXT },
    [MAGIC_XML] = { "XML", "text/xml", FAMILY_TEXT },
    [MAGIC_SVG] = { "SVG", "image/svg+xml", FAMILY_IMAGE },
    [MAGIC_HTA] = { "HTA", "application/hta", FAMILY_EXECUTABLE },
    [MAGIC_SCRIPT] = { "SCRIPT", "text/x-script", FAMILY_EXECUTABLE },
    [MAGIC_EML] = { "EML", "message/rfc822", FAMILY_TEXT },
    [MAGIC_CALENDAR] = { "CALENDAR", "text/calendar", FAMILY_TEXT },
    [MAGIC_VCARD] = { "VCARD", "text/vcard", FAMILY_TEXT },
    [MAGIC_PGP] = { "PGP", "application/pgp", FAMILY_TEXT },
    [MAGIC_UUENCODE] = { "UUENCODE", "text/x-uuencode", FAMILY_TEXT },
    [MAGIC_EICAR] = { "EICAR", "application/x-eicar", FAMILY_EXECUTABLE },
    [MAGIC_URL_SHORTCUT] = { "URL_SHORTCUT", "application/x-mswinurl", FAMILY_EXECUTABLE },
    [MAGIC_MZ] = { "MZ", "application/x-dosexec", FAMILY_EXECUTABLE },
    [MAGIC_ELF] = { "ELF", "application/x-executable", FAMILY_EXECUTABLE },
    [MAGIC_MACHO] = { "MACHO", "application/x-mach-binary", FAMILY_EXECUTABLE },
    [MAGIC_CLASS] = { "CLASS", "application/x-java-applet", FAMILY_EXECUTABLE },
    [MAGIC_DEX] = { "DEX", "application/x-dex", FAMILY_EXECUTABLE },
    [MAGIC_LNK] = { "LNK", "application/x-ms-shortcut", FAMILY_EXECUTABLE },
    [MAGIC_ZIP] = { "ZIP", "application/zip", FAMILY_ARCHIVE },
    [MAGIC_OOXML] = { "OOXML", "application/vnd.openxmlformats", FAMILY_DOCUMENT },
    [MAGIC_ODF] = { "ODF", "application/vnd.oasis.opendocument", FAMILY_DOCUMENT },
    [MAGIC_EPUB] = { "EPUB", "application/epub+zip", FAMILY_DOCUMENT },
    [MAGIC_JAR] = { "JAR", "application/java-archive", FAMILY_EXECUTABLE },
    [MAGIC_APK] = { "APK", "application/vnd.android.package-archive", FAMILY_EXECUTABLE },
    [MAGIC_GZIP] = { "GZIP", "application/gzip", FAMILY_ARCHIVE },
    [MAGIC_BZIP2] = { "BZIP2", "application/x-bzip2", FAMILY_ARCHIVE },
    [MAGIC_XZ] = { "XZ", "application/x-xz", FAMILY_ARCHIVE },
    [MAGIC_ZSTD] = { "ZSTD", "application/zstd", FAMILY_ARCHIVE },
    [MAGIC_COMPRESS] = { "COMPRESS", "application/x-compress", FAMILY_ARCHIVE },
    [MAGIC_7Z] = { "7Z", "application/x-7z-compressed", FAMILY_ARCHIVE },
    [MAGIC_RAR] = { "RAR", "application/x-rar", FAMILY_ARCHIVE },
    [MAGIC_ACE] = { "ACE", "application/x-ace-compressed", FAMILY_ARCHIVE },
    [MAGIC_CAB] = { "CAB", "application/vnd.ms-cab-compressed", FAMILY_ARCHIVE },
    [MAGIC_ARJ] = { "ARJ", "application/x-arj", FAMILY_ARCHIVE },
    [MAGIC_LHA] = { "LHA", "application/x-lzh-compressed", FAMILY_ARCHIVE },
    [MAGIC_TAR] = { "TAR", "application/x-tar", FAMILY_ARCHIVE },
    [MAGIC_ISO] = { "ISO", "application/x-iso9660-image", FAMILY_ARCHIVE },
    [MAGIC_OLE2] = { "OLE2", "application/CDFV2", FAMILY_DOCUMENT },
    [MAGIC_PDF] = { "PDF", "application/pdf", FAMILY_DOCUMENT },
    [MAGIC_RTF] = { "RTF", "text/rtf", FAMILY_DOCUMENT },
    [MAGIC_PS] = { "PS", "application/postscript", FAMILY_DOCUMENT },
    [MAGIC_CHM] = { "CHM", "application/vnd.ms-htmlhelp", FAMILY_EXECUTABLE },
    [MAGIC_ONENOTE] = { "ONENOTE", "application/onenote", FAMILY_DOCUMENT },
    [MAGIC_TNEF] = { "TNEF", "application/vnd.ms-tnef", FAMILY_ARCHIVE },
    [MAGIC_GIF] = { "GIF", "image/gif", FAMILY_IMAGE },
    [MAGIC_PNG] = { "PNG", "image/png", FAMILY_IMAGE },
    [MAGIC_JPEG] = { "JPEG", "image/jpeg", FAMILY_IMAGE },
    [MAGIC_BMP] = { "BMP", "image/bmp", FAMILY_IMAGE },
    [MAGIC_TIFF] = { "TIFF", "image/tiff", FAMILY_IMAGE },
    [MAGIC_WEBP] = { "WEBP", "image/webp", FAMILY_IMAGE },
    [MAGIC_ICO] = { "ICO", "image/vnd.microsoft.icon", FAMILY_IMAGE },
    [MAGIC_WMF] = { "WMF", "image/wmf", FAMILY_IMAGE },
    [MAGIC_EMF] = { "EMF", "image/emf", FAMILY_IMAGE },
    [MAGIC_PSD] = { "PSD", "image/vnd.adobe.photoshop", FAMILY_IMAGE },
    [MAGIC_MP3] = { "MP3", "audio/mpeg", FAMILY_MEDIA },
    [MAGIC_WAV] = { "WAV", "audio/x-wav", FAMILY_MEDIA },
    [MAGIC_AVI] = { "AVI", "video/x-msvideo", FAMILY_MEDIA },
    [MAGIC_OGG] = { "OGG", "application/ogg", FAMILY_MEDIA },
    [MAGIC_FLAC] = { "FLAC", "audio/flac", FAMILY_MEDIA },
    [MAGIC_MIDI] = { "MIDI", "audio/midi", FAMILY_MEDIA },
    [MAGIC_AU] = { "AU", "audio/basic", FAMILY_MEDIA },
    [MAGIC_MP4] = { "MP4", "video/mp4", FAMILY_MEDIA },
    [MAGIC_MPEG] = { "MPEG", "video/mpeg", FAMILY_MEDIA },
    [MAGIC_ASF] = { "ASF", "video/x-ms-asf", FAMILY_MEDIA },
    [MAGIC_MATROSKA] = { "MATROSKA", "video/x-matroska", FAMILY_MEDIA },
    [MAGIC_FLASH] = { "FLASH", "application/x-shockwave-flash", FAMILY_EXECUTABLE },
    [MAGIC_FONT] = { "FONT", "font/sfnt", FAMILY_UNKNOWN },
    [MAGIC_SQLITE] = { "SQLITE", "application/vnd.sqlite3", FAMILY_UNKNOWN },
    [MAGIC_DER] = { "DER", "application/x-pkcs7", FAMILY_UNKNOWN },
};

/* Octets at a place. The first entry that fits wins, so the longer ones stand first. */
struct mark {
    uint16_t off;
    uint8_t len;
    const char *octets;
    enum magic magic;
};
#define AT(off, text, magic) { off, sizeof(text) - 1, text, magic }

static const struct mark marks[] = {
    AT(0, "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", MAGIC_EICAR),
    AT(0, "\x7f" "ELF", MAGIC_ELF),
    AT(0, "\xfe\xed\xfa\xce", MAGIC_MACHO), AT(0, "\xfe\xed\xfa\xcf", MAGIC_MACHO),
    AT(0, "\xce\xfa\xed\xfe", MAGIC_MACHO), AT(0, "\xcf\xfa\xed\xfe", MAGIC_MACHO),
    AT(0, "dex\n03", MAGIC_DEX),
    AT(0, "L\0\0\0\x01\x14\x02\0", MAGIC_LNK),
    AT(0, "\x1f\x8b", MAGIC_GZIP), AT(0, "BZh", MAGIC_BZIP2), AT(0, "\xfd" "7zXZ\0", MAGIC_XZ),
    AT(0, "\x28\xb5\x2f\xfd", MAGIC_ZSTD), AT(0, "\x1f\x9d", MAGIC_COMPRESS),
    AT(0, "7z\xbc\xaf\x27\x1c", MAGIC_7Z), AT(0, "Rar!\x1a\x07", MAGIC_RAR),
    AT(0, "RE\x7e\x5e", MAGIC_RAR), AT(7, "**ACE**", MAGIC_ACE), AT(0, "MSCF\0\0\0\0", MAGIC_CAB),
    AT(0, "ISc(", MAGIC_CAB), AT(2, "-lh", MAGIC_LHA), AT(2, "-lz", MAGIC_LHA),
    AT(257, "ustar", MAGIC_TAR),
    AT(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", MAGIC_OLE2),
    AT(0, "%PDF-", MAGIC_PDF), AT(0, "{\\rt", MAGIC_RTF), AT(0, "%!", MAGIC_PS),
    AT(0, "\x04%!", MAGIC_PS), AT(0, "\xc5\xd0\xd3\xc6", MAGIC_PS), AT(0, "ITSF\x03\0\0\0", MAGIC_CHM),
    AT(0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", MAGIC_ONENOTE), AT(0, "\x78\x9f\x3e\x22", MAGIC_TNEF),
    AT(0, "GIF8", MAGIC_GIF), AT(0, "\x89PNG\r\n\x1a\n", MAGIC_PNG), AT(0, "\xff\xd8\xff", MAGIC_JPEG),
    AT(0, "II*\0", MAGIC_TIFF), AT(0, "MM\0*", MAGIC_TIFF), AT(0, "\xd7\xcd\xc6\x9a", MAGIC_WMF),
    AT(0, "8BPS", MAGIC_PSD), AT(0, "ID3", MAGIC_MP3),
    AT(0, "OggS", MAGIC_OGG), AT(0, "fLaC", MAGIC_FLAC), AT(0, "MThd", MAGIC_MIDI), AT(0, ".snd", MAGIC_AU),
    AT(4, "ftyp", MAGIC_MP4), AT(4, "moov", MAGIC_MP4), AT(4, "mdat", MAGIC_MP4),
    AT(0, "\0\0\x01\xba", MAGIC_MPEG), AT(0, "\0\0\x01\xb3", MAGIC_MPEG),
    AT(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", MAGIC_ASF), AT(0, "\x1a\x45\xdf\xa3", MAGIC_MATROSKA),
    AT(0, "OTTO", MAGIC_FONT), AT(0, "wOFF", MAGIC_FONT), AT(0, "wOF2", MAGIC_FONT),
    AT(0, "\0\x01\0\0\0", MAGIC_FONT), AT(0, "SQLite format 3\0", MAGIC_SQLITE),
    AT(0, "PK\x05\x06", MAGIC_ZIP), AT(0, "PK\x07\x08PK\x03\x04", MAGIC_ZIP),
    AT(0, "PK00PK\x03\x04", MAGIC_ZIP),
};

/* Words at the head of a text, in any case, behind white space and a byte order mark. */
static const struct mark words[] = {
    AT(0, "#!", MAGIC_SCRIPT),
    AT(0, "<hta:", MAGIC_HTA),
    AT(0, "<!doctype html", MAGIC_HTML), AT(0, "<html", MAGIC_HTML), AT(0, "<head", MAGIC_HTML),
    AT(0, "<title", MAGIC_HTML), AT(0, "<body", MAGIC_HTML), AT(0, "<table", MAGIC_HTML),
    AT(0, "<script", MAGIC_HTML), AT(0, "<style", MAGIC_HTML), AT(0, "<iframe", MAGIC_HTML),
    AT(0, "<h1", MAGIC_HTML), AT(0, "<a href=", MAGIC_HTML), AT(0, "<meta", MAGIC_HTML),
    AT(0, "<svg", MAGIC_SVG), AT(0, "<!doctype svg", MAGIC_SVG), AT(0, "<?xml", MAGIC_XML),
    AT(0, "begin:vcalendar", MAGIC_CALENDAR), AT(0, "begin:vcard", MAGIC_VCARD),
    AT(0, "-----begin pgp", MAGIC_PGP), AT(0, "[internetshortcut]", MAGIC_URL_SHORTCUT),
    AT(0, "[default]\nbaseurl=", MAGIC_URL_SHORTCUT), AT(0, "[default]\r\nbaseurl=", MAGIC_URL_SHORTCUT),
    AT(0, "begin 6", MAGIC_UUENCODE), AT(0, "begin 7", MAGIC_UUENCODE),
    AT(0, "return-path:", MAGIC_EML), AT(0, "received:", MAGIC_EML), AT(0, "delivered-to:", MAGIC_EML),
    AT(0, "message-id:", MAGIC_EML), AT(0, "mime-version:", MAGIC_EML), AT(0, "from:", MAGIC_EML),
    AT(0, "from ", MAGIC_EML), AT(0, "date:", MAGIC_EML), AT(0, "subject:", MAGIC_EML),
    AT(0, "x-mozilla-status:", MAGIC_EML), AT(0, "dkim-signature:", MAGIC_EML),
};

static const struct {
    char extension[12];
    enum magic_family family;
} extensions[] = {
    { "txt", FAMILY_TEXT }, { "htm", FAMILY_TEXT }, { "html", FAMILY_TEXT }, { "shtml", FAMILY_TEXT },
    { "xhtml", FAMILY_TEXT }, { "xml", FAMILY_TEXT }, { "csv", FAMILY_TEXT }, { "log", FAMILY_TEXT },
    { "eml", FAMILY_TEXT }, { "ics", FAMILY_TEXT }, { "vcf", FAMILY_TEXT }, { "asc", FAMILY_TEXT },
    { "md", FAMILY_TEXT }, { "json", FAMILY_TEXT }, { "patch", FAMILY_TEXT }, { "diff", FAMILY_TEXT },
    { "exe", FAMILY_EXECUTABLE }, { "com", FAMILY_EXECUTABLE }, { "scr", FAMILY_EXECUTABLE },
    { "pif", FAMILY_EXECUTABLE }, { "bat", FAMILY_EXECUTABLE }, { "cmd", FAMILY_EXECUTABLE },
    { "cpl", FAMILY_EXECUTABLE }, { "dll", FAMILY_EXECUTABLE }, { "sys", FAMILY_EXECUTABLE },
    { "ocx", FAMILY_EXECUTABLE }, { "msi", FAMILY_EXECUTABLE }, { "msp", FAMILY_EXECUTABLE },
    { "msc", FAMILY_EXECUTABLE }, { "js", FAMILY_EXECUTABLE }, { "jse", FAMILY_EXECUTABLE },
    { "vbs", FAMILY_EXECUTABLE }, { "vbe", FAMILY_EXECUTABLE }, { "wsf", FAMILY_EXECUTABLE },
    { "wsh", FAMILY_EXECUTABLE }, { "wsc", FAMILY_EXECUTABLE }, { "sct", FAMILY_EXECUTABLE },
    { "hta", FAMILY_EXECUTABLE }, { "lnk", FAMILY_EXECUTABLE }, { "url", FAMILY_EXECUTABLE },
    { "ps1", FAMILY_EXECUTABLE }, { "psm1", FAMILY_EXECUTABLE }, { "reg", FAMILY_EXECUTABLE },
    { "inf", FAMILY_EXECUTABLE }, { "chm", FAMILY_EXECUTABLE }, { "hlp", FAMILY_EXECUTABLE },
    { "jar", FAMILY_EXECUTABLE }, { "apk", FAMILY_EXECUTABLE }, { "class", FAMILY_EXECUTABLE },
    { "sh", FAMILY_EXECUTABLE }, { "app", FAMILY_EXECUTABLE }, { "gadget", FAMILY_EXECUTABLE },
    { "application", FAMILY_EXECUTABLE }, { "xll", FAMILY_EXECUTABLE }, { "scf", FAMILY_EXECUTABLE },
    { "library-ms", FAMILY_EXECUTABLE }, { "jnlp", FAMILY_EXECUTABLE }, { "swf", FAMILY_EXECUTABLE },
    { "zip", FAMILY_ARCHIVE }, { "rar", FAMILY_ARCHIVE }, { "7z", FAMILY_ARCHIVE }, { "gz", FAMILY_ARCHIVE },
    { "tgz", FAMILY_ARCHIVE }, { "bz2", FAMILY_ARCHIVE }, { "xz", FAMILY_ARCHIVE }, { "tar", FAMILY_ARCHIVE },
    { "ace", FAMILY_ARCHIVE }, { "cab", FAMILY_ARCHIVE }, { "arj", FAMILY_ARCHIVE }, { "lzh", FAMILY_ARCHIVE },
    { "lha", FAMILY_ARCHIVE }, { "iso", FAMILY_ARCHIVE }, { "img", FAMILY_ARCHIVE }, { "z", FAMILY_ARCHIVE },
    { "pdf", FAMILY_DOCUMENT }, { "doc", FAMILY_DOCUMENT }, { "docx", FAMILY_DOCUMENT },
    { "docm", FAMILY_DOCUMENT }, { "dot", FAMILY_DOCUMENT }, { "rtf", FAMILY_DOCUMENT },
    { "xls", FAMILY_DOCUMENT }, { "xlsx", FAMILY_DOCUMENT }, { "xlsm", FAMILY_DOCUMENT },
    { "xlsb", FAMILY_DOCUMENT }, { "xlam", FAMILY_DOCUMENT }, { "ppt", FAMILY_DOCUMENT },
    { "pptx", FAMILY_DOCUMENT }, { "pptm", FAMILY_DOCUMENT }, { "pps", FAMILY_DOCUMENT },
    { "odt", FAMILY_DOCUMENT }, { "ods", FAMILY_DOCUMENT }, { "odp", FAMILY_DOCUMENT },
    { "ps", FAMILY_DOCUMENT }, { "eps", FAMILY_DOCUMENT }, { "one", FAMILY_DOCUMENT },
    { "epub", FAMILY_DOCUMENT },
    { "gif", FAMILY_IMAGE }, { "png", FAMILY_IMAGE }, { "jpg", FAMILY_IMAGE }, { "jpeg", FAMILY_IMAGE },
    { "jpe", FAMILY_IMAGE }, { "bmp", FAMILY_IMAGE }, { "tif", FAMILY_IMAGE }, { "tiff", FAMILY_IMAGE },
    { "webp", FAMILY_IMAGE }, { "ico", FAMILY_IMAGE }, { "wmf", FAMILY_IMAGE }, { "emf", FAMILY_IMAGE },
    { "svg", FAMILY_IMAGE }, { "psd", FAMILY_IMAGE },
    { "mp3", FAMILY_MEDIA }, { "wav", FAMILY_MEDIA }, { "avi", FAMILY_MEDIA }, { "mpg", FAMILY_MEDIA },
    { "mpeg", FAMILY_MEDIA }, { "mp4", FAMILY_MEDIA }, { "m4a", FAMILY_MEDIA }, { "mov", FAMILY_MEDIA },
    { "ogg", FAMILY_MEDIA }, { "flac", FAMILY_MEDIA }, { "mid", FAMILY_MEDIA }, { "au", FAMILY_MEDIA },
    { "wmv", FAMILY_MEDIA }, { "wma", FAMILY_MEDIA }, { "mkv", FAMILY_MEDIA }, { "webm", FAMILY_MEDIA },
};
/* clang-format on */

static bool
has_mark(const uint8_t *head, size_t len, size_t off, const char *mark, size_t mark_len)
{
    return off + mark_len <= len && !memcmp(head + off, mark, mark_len);
}

static bool
is_word(const uint8_t *head, size_t len, const char *word, size_t word_len)
{
    return word_len <= len && !strncasecmp((const char *)head, word, word_len);
}

/* A ZIP by its first local header: 30 octets, then the name and extra data. */
static enum magic
detect_zip(const uint8_t *head, size_t len)
{
    static const char first[] = "META-INF/", types[] = "[Content_Types].xml", rels[] = "_rels/";
    if (has_mark(head, len, 30, types, sizeof(types) - 1) ||
        has_mark(head, len, 30, rels, sizeof(rels) - 1) || has_mark(head, len, 30, "docProps/", 9) ||
        has_mark(head, len, 30, "word/", 5) || has_mark(head, len, 30, "xl/", 3) ||
        has_mark(head, len, 30, "ppt/", 4))
        return MAGIC_OOXML;
    if (has_mark(head, len, 30, "mimetypeapplication/vnd.oasis.opendocument.", 43))
        return MAGIC_ODF;
    if (has_mark(head, len, 30, "mimetypeapplication/epub+zip", 28))
        return MAGIC_EPUB;
    if (has_mark(head, len, 30, "AndroidManifest.xml", 19) || has_mark(head, len, 30, "classes.dex", 11))
        return MAGIC_APK;
    return has_mark(head, len, 30, first, sizeof(first) - 1) ? MAGIC_JAR : MAGIC_ZIP;
}

/* Text as file(1) sees it: no control octets but BEL, BS, HT, LF, FF, CR, ESC; also UTF-16 by its mark. */
static bool
is_text(const uint8_t *head, size_t len)
{
    if (has_mark(head, len, 0, "\xff\xfe", 2) || has_mark(head, len, 0, "\xfe\xff", 2))
        return true;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = head[i];
        if (c == 0x7f || (c < ' ' && !(c >= 7 && c <= 13 && c != 11) && c != 27))
            return false;
    }
    return true;
}

/* What follows an XML declaration says more. */
static enum magic
detect_xml(const uint8_t *head, size_t len)
{
    if (memmem(head, len, "<svg", 4) || memmem(head, len, "<!DOCTYPE svg", 13))
        return MAGIC_SVG;
    return memmem(head, len, "<html", 5) || memmem(head, len, "<!DOCTYPE html", 14) ? MAGIC_HTML : MAGIC_XML;
}

static bool
has_word(const uint8_t *head, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t i = 0; i + word_len <= len; i++) {
        if (head[i] == (uint8_t)word[0] && is_word(head + i, len - i, word, word_len))
            return true;
    }
    return false;
}

static enum magic
detect_text(const uint8_t *head, size_t len)
{
    const uint8_t *at = head;
    size_t left = len;
    if (has_mark(at, left, 0, "\xef\xbb\xbf", 3)) {
        at += 3;
        left -= 3;
    }
    while (left > 0 && strchr(" \t\r\n", *at) && *at) {
        at++;
        left--;
    }
    if (has_word(at, left, "<hta:application"))
        return MAGIC_HTA;
    for (size_t i = 0; i < LEN(words); i++) {
        if (is_word(at, left, words[i].octets, words[i].len))
            return words[i].magic == MAGIC_XML ? detect_xml(at, left) : words[i].magic;
    }
    if (is_word(at, left, "<!--", 4) && has_word(at, left, "<html"))
        return MAGIC_HTML;
    return is_text(head, len) ? MAGIC_TEXT : MAGIC_DATA;
}

/* Marks that need a second look: two or three octets are too few. */
static enum magic
detect_short(const uint8_t *head, size_t len)
{
    if (has_mark(head, len, 0, "PK\x03\x04", 4))
        return detect_zip(head, len);
    if (has_mark(head, len, 0, "MZ", 2) && !is_text(head, len))
        return MAGIC_MZ;
    if (has_mark(head, len, 0, "\xca\xfe\xba\xbe", 4) && len >= 8) /* fat Mach-O counts few programs */
        return head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] < 40 ? MAGIC_MACHO : MAGIC_CLASS;
    if (has_mark(head, len, 0, "BM", 2) && len >= 18 && head[6] == 0 && head[7] == 0 && head[15] == 0 &&
        head[16] == 0 && head[17] == 0)
        return MAGIC_BMP;
    if (has_mark(head, len, 0, "RIFF", 4) && has_mark(head, len, 8, "WEBP", 4))
        return MAGIC_WEBP;
    if (has_mark(head, len, 0, "RIFF", 4) && has_mark(head, len, 8, "WAVE", 4))
        return MAGIC_WAV;
    if (has_mark(head, len, 0, "RIFF", 4) && has_mark(head, len, 8, "AVI ", 4))
        return MAGIC_AVI;
    if (has_mark(head, len, 0, "\0\0\x01\0", 4) && len >= 14 && head[4] > 0 && head[5] == 0 && head[9] == 0)
        return MAGIC_ICO;
    if (has_mark(head, len, 0, "\x01\0\0\0", 4) && has_mark(head, len, 40, " EMF", 4))
        return MAGIC_EMF;
    if (has_mark(head, len, 0, "\x60\xea", 2) && len >= 11 && head[10] <= 2)
        return MAGIC_ARJ;
    if (len >= 4 && head[0] == 0xff && (head[1] & 0xe6) == 0xe2 && (head[2] & 0xf0) != 0xf0)
        return MAGIC_MP3;
    if (len >= 8 && (head[0] == 'F' || head[0] == 'C' || head[0] == 'Z') && head[1] == 'W' &&
        head[2] == 'S' && head[3] < 60)
        return MAGIC_FLASH;
    if (len >= 16 && head[0] == 0x30 && (head[1] == 0x82 || head[1] == 0x80 || head[1] == 0x83))
        return MAGIC_DER;
    return MAGIC_DATA;
}

enum magic
magic_detect(const uint8_t *head, size_t len, bool is_whole)
{
    if (len == 0)
        return is_whole ? MAGIC_EMPTY : MAGIC_DATA;
    if (len > MAGIC_HEAD_LEN)
        len = MAGIC_HEAD_LEN;
    for (size_t i = 0; i < LEN(marks); i++) {
        if (has_mark(head, len, marks[i].off, marks[i].octets, marks[i].len))
            return marks[i].magic;
    }
    enum magic m = detect_short(head, len);
    return m == MAGIC_DATA ? detect_text(head, len) : m;
}

const char *
magic_mime(enum magic m)
{
    return infos[m].mime;
}

const char *
magic_name(enum magic m)
{
    return infos[m].name;
}

enum magic_family
magic_family(enum magic m)
{
    return infos[m].family;
}

bool
extension_family(struct span extension, enum magic_family *family)
{
    for (size_t i = 0; i < LEN(extensions); i++) {
        if (strlen(extensions[i].extension) == extension.len &&
            !memcmp(extensions[i].extension, extension.ptr, extension.len)) {
            *family = extensions[i].family;
            return true;
        }
    }
    return false;
}

/* Scripts are text and .url, .reg, .inf too; an .msi is an OLE2; an .xps a ZIP. */
static bool
executable_fits(enum magic m)
{
    enum magic_family f = infos[m].family;
    return f == FAMILY_EXECUTABLE || f == FAMILY_TEXT || m == MAGIC_OLE2 || m == MAGIC_ZIP;
}

static bool
document_fits(enum magic m)
{
    /* An .xls or .doc that is HTML, XML or text is what many programs write. */
    return infos[m].family == FAMILY_DOCUMENT || infos[m].family == FAMILY_TEXT || m == MAGIC_ZIP;
}

bool
extension_fits(struct span extension, enum magic m)
{
    enum magic_family promised;
    if (!extension_family(extension, &promised) || m == MAGIC_EMPTY)
        return true;
    enum magic_family is = infos[m].family;
    switch (promised) {
    case FAMILY_TEXT:
        return is == FAMILY_TEXT || is == FAMILY_UNKNOWN || m == MAGIC_SCRIPT || m == MAGIC_SVG;
    case FAMILY_EXECUTABLE:
        return executable_fits(m) || is == FAMILY_UNKNOWN;
    case FAMILY_ARCHIVE:
        return is == FAMILY_ARCHIVE || is == FAMILY_UNKNOWN || m == MAGIC_OOXML || m == MAGIC_ODF ||
               m == MAGIC_EPUB;
    case FAMILY_DOCUMENT:
        if (extension.len == 3 && !memcmp(extension.ptr, "pdf", 3))
            return m == MAGIC_PDF;
        return document_fits(m);
    case FAMILY_IMAGE:
        return is == FAMILY_IMAGE || (m == MAGIC_XML && extension.ptr[0] == 's');
    case FAMILY_MEDIA:
        return is == FAMILY_MEDIA || is == FAMILY_UNKNOWN;
    case FAMILY_UNKNOWN:
        break;
    }
    return true;
}
