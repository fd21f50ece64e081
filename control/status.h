/* status: the page that the public sees, as files: status.json, in the shape of Statuspage's API v2 (summary.json), which
 * status tools read, and status.html beside it: no scripts, nothing loaded from elsewhere, readable on a phone.
 *
 * The HTML is made from the same document, so the two cannot differ. Any text in it is escaped; a document of a wrong
 * shape gives a page with less on it.
 *
 * Threads: none kept. */
#ifndef WEIR_CONTROL_STATUS_H
#define WEIR_CONTROL_STATUS_H

#include <cjson/cJSON.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes folder/status.json and folder/status.html, each whole or not at all (another name, then rename). 0 or
 * negative errno: then the files that could not be written are as they were. Not synced: it is made anew at start. */
int status_write(const char *folder, const cJSON *document);

/* The page, well-formed as XML, too; free(). NULL: no memory. */
char *status_html(const cJSON *document);

#ifdef __cplusplus
}
#endif
#endif
