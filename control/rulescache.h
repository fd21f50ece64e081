/* rulescache: the folder where compiled patterns are kept, so that only what changed is compiled (scan/compile.h).
 *
 * $WEIR_CACHE, else $XDG_CACHE_HOME/weir, else ~/.cache/weir; made if it is not there, for its owner alone. What
 * lies in it is loaded into this process, so a folder that somebody else owns or may write to is not used.
 *
 * Threads: none kept. */
#ifndef WEIR_CONTROL_RULESCACHE_H
#define WEIR_CONTROL_RULESCACHE_H

#ifdef __cplusplus
extern "C" {
#endif

/* The folder (free()), ready for use. NULL: there is none; why is said on stderr when one was asked for, or is not
 * to be trusted. */
char *rulescache_folder(void);

#ifdef __cplusplus
}
#endif
#endif
