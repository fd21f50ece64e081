/* config: appliance.cfg, read once.
 *
 * An INI file (libinih). Every key has a default, so an empty file with one [pair.0] is enough; the file
 * that ships documents each key. An unknown section or key, a key given twice and a value that does not
 * parse are errors that name file and line; all of them are reported, not only the first. A line that
 * begins with white space continues the text value above it (inih reads lines of up to 199 octets).
 *
 * Sections [control] and [control.*] belong to the other process and are not looked at here.
 *
 * Threads: none kept; read once, read-only from then on.
 * Fails:   config_read (-1, reasons written to `errors`). */
#ifndef WEIR_DATAPLANE_CONFIG_H
#define WEIR_DATAPLANE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONFIG_TEXT_MAX = 1024, CONFIG_PATH_MAX = 256, CONFIG_CPUS_MAX = SCANNER_THREADS_MAX };

/* Two ports and what lies between them. */
struct config_pair {
    bool is_set;
    char outside[CONFIG_TEXT_MAX];
    char inside[CONFIG_TEXT_MAX]; /* "same": one port is both sides */
};

enum busy { BUSY_POLL, BUSY_ADAPTIVE };

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct config {
    char eal_args[CONFIG_TEXT_MAX];
    char file_prefix[64];
    struct config_pair pair[PAIR_MAX];
    unsigned cpus_cnt; /* 0: one worker on any CPU */
    uint16_t cpus[CONFIG_CPUS_MAX];
    enum busy busy;
    uint32_t mbufs;       /* of all workers */
    uint32_t mbuf_octets; /* data room */
    uint32_t rx_descriptors, tx_descriptors;
    struct pipeline_config pipeline;
    char image[CONFIG_PATH_MAX];
    char state[CONFIG_PATH_MAX]; /* folder of what is live; "": nothing is kept */
    char link_socket[108]; /* sockaddr_un's */
    uint32_t link_mode;
    char link_group[64]; /* "": as the process */
    char messages[CONFIG_PATH_MAX]; /* "": none, "-": stdout */
    char log_file[CONFIG_PATH_MAX]; /* "": stderr */
    enum log_level log_level;
    uint64_t stop_after_frames;
    uint32_t stop_when_idle_ms;
};

/* Reads the file at `path`; *c is filled in any case. */
int config_read(struct config *c, const char *path, FILE *errors);

/* The same from an open file; `name` stands for it in errors. */
int config_read_stream(struct config *c, const char *name, FILE *from, FILE *errors);

/* Writes the effective configuration as a file that reads back the same. */
void config_print(const struct config *c, FILE *to);

bool config_pair_is_one_armed(const struct config_pair *p);

#ifdef __cplusplus
}
#endif
#endif
