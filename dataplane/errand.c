#include "dataplane/errand.h"

#include <pthread.h>
#include <stdlib.h>

enum errand_state { ERRAND_IDLE, ERRAND_RUNNING, ERRAND_DONE };

struct errand {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* something was started, or it ends */
    enum errand_state state; /* written under the lock; read by the agent without (acquire) */
    bool is_to_end;
    void (*fn)(void *arg);
    void *arg;
};

static void *
run(void *arg)
{
    struct errand *e = arg;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (e->state != ERRAND_RUNNING && !e->is_to_end)
            pthread_cond_wait(&e->wake, &e->lock);
        if (e->state != ERRAND_RUNNING)
            break;
        pthread_mutex_unlock(&e->lock);
        e->fn(e->arg);
        pthread_mutex_lock(&e->lock);
        __atomic_store_n(&e->state, ERRAND_DONE, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

struct errand *
errand_new(void)
{
    struct errand *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->wake, NULL);
    if (pthread_create(&e->thread, NULL, run, e) != 0) {
        free(e);
        return NULL;
    }
    return e;
}

void
errand_free(struct errand *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->is_to_end = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    pthread_cond_destroy(&e->wake);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

bool
errand_start(struct errand *e, void (*fn)(void *arg), void *arg)
{
    if (!errand_is_idle(e))
        return false;
    pthread_mutex_lock(&e->lock);
    e->fn = fn;
    e->arg = arg;
    __atomic_store_n(&e->state, ERRAND_RUNNING, __ATOMIC_RELEASE);
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    return true;
}

bool
errand_is_idle(const struct errand *e)
{
    return __atomic_load_n(&e->state, __ATOMIC_ACQUIRE) == ERRAND_IDLE;
}

bool
errand_is_done(struct errand *e)
{
    if (__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) != ERRAND_DONE)
        return false;
    pthread_mutex_lock(&e->lock);
    __atomic_store_n(&e->state, ERRAND_IDLE, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&e->lock);
    return true;
}
